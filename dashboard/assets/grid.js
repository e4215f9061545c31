/* The cells of the table of sites. Every word comes from the server; here it is only placed. */

(function () {
  const h = React.createElement;
  const components = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  const functions = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});

  /* Rows arrive in the order of need; sorting by state means sorting by that order. */
  functions.byPlace = (_a, _b, nodeA, nodeB) => nodeA.data.place - nodeB.data.place;

  const icon = (name) => h("span", {className: `icon icon-${name}`, "aria-hidden": "true"});
  const twoLines = (first, second, hint) =>
    h("div", {className: "cell-lines", title: hint || undefined}, [
      h("div", {key: "first", className: "cell-first"}, first),
      second ? h("div", {key: "second", className: "cell-second"}, second) : null,
    ]);

  /* Stay inside the open page on a plain click; let the browser open tabs as it likes. */
  const follow = (event, href) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    window.dash_clientside.set_props("url", {href});
  };
  const link = (href, children, className) =>
    h("a", {href, className, onClick: (event) => follow(event, href)}, children);

  components.SiteCell = ({data}) => twoLines(link(data.href, data.title, "site-link"), data.slug);

  components.StateCell = ({data}) =>
    h("span", {className: `badge tone-${data.tone}`, title: data.meaning}, [
      h("span", {key: "icon", className: `icon icon-${data.icon}`, "aria-hidden": "true"}),
      data.state,
    ]);

  components.ActionCell = ({data}) => h("span", {className: "wrapping", title: data.action}, data.action);

  components.AlertsCell = ({data}) =>
    data.alerts
      ? link(`${data.href}#alerts`, [h("strong", {key: "n"}, data.alerts), " open"], `alerts-link alerts-${data.tone}`)
      : h("span", {className: "muted"}, data.alerts_text);

  components.SeenCell = ({data}) =>
    twoLines(h("span", {className: `fresh fresh-${data.seen_tone}`}, data.seen), data.report, data.seen_hint);

  components.PatientsCell = ({data}) =>
    h("span", {className: data.n === null ? "muted" : "figure", title: data.n_hint}, data.n_text);

  /* The interval as a bar on a scale from 0 to 100 %, with the estimate as a tick. */
  components.FlaggedCell = ({data}) => {
    if (data.flagged === null) return h("span", {className: "muted"}, data.flagged_text);
    const percent = (share) => `${(share * 100).toFixed(2)}%`;
    const bar = h("div", {key: "bar", className: "interval-bar", "aria-hidden": "true"}, [
      h("span", {
        key: "span",
        className: "interval-span",
        style: {left: percent(data.flagged_low), width: percent(data.flagged_high - data.flagged_low)},
      }),
      h("span", {key: "at", className: "interval-at", style: {left: percent(data.flagged)}}),
    ]);
    return h("div", {className: "cell-lines", title: data.flagged_hint}, [
      h("div", {key: "text", className: "cell-first"}, [
        h("span", {key: "n", className: "figure"}, data.flagged_text),
        h("span", {key: "range", className: "cell-range"}, data.flagged_range),
      ]),
      bar,
    ]);
  };

  components.MadeWithCell = ({data}) => twoLines(data.baseline, data.versions, data.baseline_hint);
})();
