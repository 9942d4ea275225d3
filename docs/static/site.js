// What the theme leaves out: names for what has none, a way by keyboard into what scrolls, a list that narrows as you type.
document.addEventListener("DOMContentLoaded", () => {
  const name = (element, text) => element && text && element.setAttribute("aria-label", text.trim());
  document.querySelectorAll(".search-button-field").forEach((button) => button.removeAttribute("aria-label")); // its text says it
  document.querySelectorAll("details.hide > summary").forEach((summary) => summary.removeAttribute("aria-label"));
  document.querySelectorAll(".has-children > details > summary").forEach((summary) =>
    name(summary, `Pages of ${summary.closest("li").querySelector("a").textContent}`));

  const reach = () => document.querySelectorAll(".bd-article pre, .bd-article .output, .bd-article .pst-scrollable-table-container").forEach((region) => {
    if (region.scrollWidth > region.clientWidth + 1) {
      region.tabIndex = 0;
      region.setAttribute("role", "region");
      name(region, region.tagName === "PRE" ? "Code or output, scrolls sideways" : "Output, scrolls sideways");
    } else if (region.getAttribute("role") === "region") {
      ["tabindex", "role", "aria-label"].forEach((attribute) => region.removeAttribute(attribute));
    }
  });
  reach();
  addEventListener("resize", reach);
  document.querySelectorAll("details").forEach((fold) => fold.addEventListener("toggle", reach));

  const table = document.querySelector("#then-and-now table");
  if (table) {
    const rows = [...table.tBodies[0].rows];
    const label = Object.assign(document.createElement("label"), { htmlFor: "narrow", textContent: "Find a call" });
    const input = Object.assign(document.createElement("input"), { id: "narrow", type: "search", autocomplete: "off" });
    const count = Object.assign(document.createElement("output"), { htmlFor: "narrow" });
    const narrow = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row) => { row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word)); });
      count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
    };
    const form = Object.assign(document.createElement("div"), { className: "narrow", role: "search" });
    form.append(label, input, count);
    (table.closest(".pst-scrollable-table-container") ?? table).before(form);
    input.addEventListener("input", narrow);
    narrow();
  }
});

// An excerpt of the search shows what a page says, not its buttons.
if (typeof Search !== "undefined") {
  const text = Search.htmlToText;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(".bd-header-article, .bd-sidebar-secondary, #jb-print-docs-body, footer, .copybtn").forEach((part) => part.remove());
    return text.call(Search, page.documentElement.outerHTML, anchor);
  };
}
