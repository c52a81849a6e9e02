() => {
  // A link "#thermometer" (in the post, or in the page's own address) opens that tab.
  const open = (hash) => {
    const button = document.getElementById(`tab-${hash.slice(1)}-button`);
    if (!button) return false;
    button.click();
    window.scrollTo({ top: 0 });
    return true;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && open(link.getAttribute("href"))) event.preventDefault();
  });
  if (location.hash) setTimeout(() => open(location.hash), 0);
}
