// Saves the file that it is given, as a click on its link would.
watch("value", () => {
  if (!props.value) return;
  const link = el("a", { href: props.value.url, download: props.value.name });
  document.body.append(link);
  link.click();
  link.remove();
  props.value = null; // so that the same file can be saved again
});
