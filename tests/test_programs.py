"""The page as programs use it: the README's own examples, and the tools of its MCP server."""

import ast
import asyncio
import base64
import re
from collections.abc import Iterator

import numpy as np
import pytest
from conftest import ROOT, Server, start_page
from gradio_client import Client
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult
from PIL import Image

from export.pictures import read_picture
from export.runtime import Generator

ADDRESS = "http://127.0.0.1:7860"  # of a page, in the README


@pytest.fixture(scope="module")
def shipped_page(tmp_path_factory) -> Iterator[Server]:
    """The page with the models of this repository."""
    server = start_page(ROOT / "models", tmp_path_factory.mktemp("shipped"))
    yield server
    server.process.terminate()
    server.process.wait(timeout=10)


def examples() -> list[str]:
    """The README's Python that asks a running page."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return [block for block in blocks if ADDRESS in block]


@pytest.mark.parametrize("example", examples())
def test_the_readme_s_examples_run(shipped_page, tmp_path, monkeypatch, example):
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(example.replace(ADDRESS, shipped_page.url), "README.md", "exec"), {"__name__": "__main__"})


def test_the_readme_has_an_example():
    assert examples()


def ask(server: Server, tool: str, **arguments) -> CallToolResult:
    """What a tool of the page's MCP server answers."""
    return with_session(server, lambda session: session.call_tool(tool, arguments))


def with_session(server: Server, question):
    """What an MCP session with the page gives for a question."""

    async def answer():
        async with (
            streamable_http_client(f"{server.url}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await question(session)

    return asyncio.run(answer())


def told(result: CallToolResult) -> list:
    """The values in an answer, which Gradio writes as Python does."""
    assert not result.isError, result.content[0].text
    return ast.literal_eval(result.content[0].text)


def test_every_call_of_the_api_is_a_tool_that_says_what_it_does(page_server):
    tools = with_session(page_server, lambda session: session.list_tools()).tools
    named = Client(page_server.url, verbose=False).view_api(return_format="dict")["named_endpoints"]
    assert len(tools) == len(named)
    for tool in tools:
        assert tool.description
        assert all("type" in each or "oneOf" in each for each in tool.inputSchema["properties"].values()), tool.name


def test_a_tool_draws_the_pictures_that_the_runtime_draws(page_server, page_bundle, tmp_path):
    sheet, _ = told(ask(page_server, "generate", label="disc", seed="7", count=2))
    expected = Generator(page_bundle).draw([7, 8], "disc")
    for picture, pixels in zip(sheet["pictures"], expected, strict=True):
        content = base64.b64decode(picture["png"].partition(",")[2])
        np.testing.assert_array_equal(read_picture(content), pixels)


def test_a_tool_judges_a_picture_that_another_has_drawn(page_server):
    sheet, _ = told(ask(page_server, "generate", seed="7", count=1))
    verdict, ran = told(ask(page_server, "judge", picture=sheet["pictures"][0]["png"]))
    assert 0 <= verdict["real"] <= 1
    assert "dcnn.onnx" in ran["model"]


def test_a_saved_sheet_is_a_picture_that_an_assistant_sees(page_server, page_bundle):
    result = ask(page_server, "save", pictures=[{"label": "disc", "seed": seed} for seed in range(4)], how="sheet")
    image, address = result.content
    assert image.type == "image"
    assert image.mimeType == "image/png"
    assert page_server.url in address.text
    scale = 84 // 16
    pixels = read_picture(base64.b64decode(image.data))[: 16 * scale : scale, : 16 * scale : scale]
    np.testing.assert_array_equal(pixels, Generator(page_bundle).draw([0], "disc")[0])


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("generate", {"seed": "abc"}, "A seed is a whole number"),
        ("judge", {"picture": "data:image/png;base64,aGVsbG8="}, "is not a picture"),
        ("judge", {"picture": str(ROOT / "ui" / "favicon.png")}, "Invalid file data format"),
    ],
)
def test_a_tool_refuses_with_a_sentence(page_server, tool, arguments, sentence):
    result = ask(page_server, tool, **arguments)
    assert result.isError
    assert sentence in result.content[0].text
    assert "Traceback" not in result.content[0].text
