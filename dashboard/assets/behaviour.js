/* What happens in the browser without a request: the page's title, the mark on the chosen quantity, the address. */

window.dash_clientside = window.dash_clientside || {};

window.dash_clientside.segwatch = {
  /* Name the tab after the page and mark the page in the bar. */
  arrive(path) {
    const heading = document.querySelector("#content h1");
    const site = path.startsWith("/sites/") ? decodeURIComponent(path.slice("/sites/".length)) : null;
    document.title = `${site || (heading ? heading.textContent : "Sites")} · SegWatch`;
    document.querySelectorAll(".nav-link").forEach((link) => {
      const here = link.getAttribute("href") === path;
      link.classList.toggle("nav-here", here);
      if (here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
    return "";
  },

  /* Load another document, e.g. the sign-in page; several parts of a page may ask for it at the same moment. */
  leave(address) {
    if (address && Date.now() - (window.segwatchLeftAt || 0) > 5000) {
      window.segwatchLeftAt = Date.now();
      window.location.assign(address);
    }
    return window.dash_clientside.no_update;
  },

  /* Mark the chosen card, bring the large view into sight after a click, and keep the address a permalink. */
  showChoice(quantity, chosenWindow, _cards, stratum) {
    const triggered = window.dash_clientside.callback_context.triggered || [];
    window.setTimeout(() => {
      document.querySelectorAll(".multiple").forEach((card) => {
        const button = card.querySelector(".multiple-button");
        const chosen = Boolean(quantity) && button.id.includes(`"metric":"${quantity}"`);
        card.classList.toggle("multiple-chosen", chosen);
        button.setAttribute("aria-pressed", String(chosen));
      });
      const pressed = document.activeElement && document.activeElement.classList.contains("multiple-button");
      const byClick = pressed && triggered.some((one) => one.prop_id === "quantity.value");
      if (byClick) {
        const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
        document.getElementById("quantity-detail").scrollIntoView({behavior: calm ? "auto" : "smooth", block: "start"});
      }
    }, 0);
    if (!quantity) return window.dash_clientside.no_update;
    const query = new URLSearchParams({quantity});
    if (chosenWindow && chosenWindow !== "latest") query.set("window", chosenWindow);
    if (stratum && stratum !== "all") query.set("stratum", stratum);
    if (`?${query}` !== window.location.search) {
      window.history.replaceState(window.history.state, "", `${window.location.pathname}?${query}`);
      // Dash's Location must know the new address, or it would put the old one back.
      window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    }
    return window.dash_clientside.no_update;
  },
};
