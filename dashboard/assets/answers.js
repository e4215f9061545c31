/* What an open page does when the dashboard itself does not answer: it says so, and asks again at its next tick.

   Dash never ends a question whose connection was lost, so that what rests meanwhile (see `pages/parts.py`) would rest
   for ever. Here every question ends: with its answer, or else as "nothing new" (HTTP 204), so that the page keeps what
   it shows and its clocks go on. */

(function () {
  const send = window.fetch.bind(window);
  let silent = false;

  const sayWhether = (isSilent) => {
    if (isSilent === silent) return;
    silent = isSilent;
    window.dash_clientside.set_props("silence", {hidden: !silent});
  };

  /* The answer, read to its end; null where there is none, or where a proxy answers in the dashboard's place. */
  const ask = async (address, request, patience) => {
    try {
      const answer = await send(address, {...request, signal: AbortSignal.timeout(patience)});
      if (answer.status !== 204) await answer.clone().json();
      return answer.ok ? answer : null;
    } catch {
      return null;
    }
  };

  window.fetch = async (address, request) => {
    if (!String(address).includes("/_dash-update-component")) return send(address, request);
    const {patienceMs, pauseMs} = document.getElementById("silence").dataset;
    const opensPage = request.body.includes('"output":"content.children"');
    for (;;) {
      const answer = await ask(address, request, Number(patienceMs));
      sayWhether(answer === null);
      if (answer !== null) return answer;
      // The clocks ask again for the parts of a page, but not for the page to which a person wanted to go.
      if (!opensPage) return new Response(null, {status: 204});
      await new Promise((resume) => window.setTimeout(resume, Number(pauseMs)));
    }
  };
})();
