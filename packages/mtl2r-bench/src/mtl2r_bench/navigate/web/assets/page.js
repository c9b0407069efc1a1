/* What happens in the browser alone: the coupling of the sliders, the theme, names for keyboards and
   the name of the tab. */
(function () {
  "use strict";

  const PAUSE = 200; // ms without a movement before the server is asked for a preview
  let timer = null;

  function themeNow() {
    return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
    window.dash_clientside.set_props("theme", { data: themeNow() });
  });

  /* A tab's name, by which the server tells its walk from those of other tabs. It outlives a reload.
     A tab that was duplicated has the name of the other, which holds its lock: it takes a new one. */
  function held(name) {
    if (!navigator.locks) return Promise.resolve(true);
    return new Promise(function (tell) {
      navigator.locks.request("mtl2r-" + name, { ifAvailable: true }, function (lock) {
        tell(lock !== null);
        return lock && new Promise(() => {}); // as long as the page is there
      });
    });
  }

  async function tab() {
    const place = "mtl2r-tab " + window.location.pathname;
    let name = sessionStorage.getItem(place);
    if (!name || !(await held(name))) {
      name = [...crypto.getRandomValues(new Uint8Array(16))]
        .map((byte) => byte.toString(16).padStart(2, "0"))
        .join("");
      await held(name);
      sessionStorage.setItem(place, name);
    }
    window.addEventListener("pagehide", () => navigator.sendBeacon("leave", name));
    return name;
  }

  /* Thumbs get the names of their tasks, which the component does not give them. */
  new MutationObserver(function () {
    document.querySelectorAll(".track[data-task]").forEach(function (track) {
      const thumb = track.querySelector('[role="slider"]');
      const name = track.getAttribute("data-task") + ": loss change wanted, right is better";
      if (thumb && thumb.getAttribute("aria-label") !== name) thumb.setAttribute("aria-label", name);
    });
  }).observe(document.documentElement, { childList: true, subtree: true });

  /* Shares of the step, one per task: g_k = share_k * reach / weight_k is how much loss k falls,
     so that staying on the front, sum of weight_k g_k = 0, is: the shares sum to 0. */
  function couple(shares, moved, held) {
    const free = shares.map((_, k) => k).filter((k) => k !== moved && !held[k]);
    const rest = shares.reduce((sum, s) => sum + s, 0);
    if (free.length === 0) {
      shares[moved] -= rest;
      return shares;
    }
    let missing = -rest;
    let open = free;
    while (open.length && Math.abs(missing) > 1e-12) {
      const each = missing / open.length;
      missing = 0;
      open.forEach(function (k) {
        const wanted = shares[k] + each;
        shares[k] = Math.max(-1, Math.min(1, wanted));
        missing += wanted - shares[k];
      });
      open = open.filter((k) => Math.abs(shares[k]) < 1);
    }
    shares[moved] += missing; // what the others cannot give
    return shares;
  }

  function text(share, k, state) {
    const gain = (share * state.reach) / state.weights[k];
    if (Math.abs(gain) < 1e-12) return "0";
    return (gain > 0 ? "−" : "+") + Math.abs(gain).toPrecision(2);
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    navigate: {
      theme: () => themeNow(),
      tab: tab,

      /* Inputs: the sliders, the holds, the state, the reset button; outputs: sliders, texts. */
      couple: function (values, holds, state, _clicks, tasks) {
        const none = window.dash_clientside.no_update;
        const context = window.dash_clientside.callback_context;
        if (!state) return [values.map(() => none), values.map(() => "")];
        const triggered = context.triggered.length ? context.triggered[0].prop_id : "";
        const match = triggered.match(/"kind":"slider","task":(\d+)|"task":(\d+),"kind":"slider"/);
        const held = holds.map((h) => h.length > 0);
        let shares = values.slice();
        if (!match && !triggered.includes("hold")) shares = shares.map(() => 0);
        if (match) {
          const moved = Number(match[1] || match[2]);
          shares = couple(shares, moved, held);
          clearTimeout(timer);
          timer = setTimeout(function () {
            // All but one are said; the front decides that one.
            let left = -1;
            shares.forEach(function (_, k) {
              if (k !== moved && !held[k] && (left < 0 || state.weights[k] > state.weights[left]))
                left = k;
            });
            if (left < 0) left = shares.findIndex((_, k) => k !== moved);
            const change = {};
            shares.forEach(function (s, k) {
              if (k !== left) change[tasks[k]] = (-s * state.reach) / state.weights[k];
            });
            const still = shares.every((s) => Math.abs(s) < 1e-9);
            window.dash_clientside.set_props("wish", {
              data: still ? null : { change: change, at: Date.now() },
            });
          }, PAUSE);
        }
        const rounded = shares.map((s) => Math.round(s * 1e4) / 1e4);
        return [
          rounded.map((s, k) => (s === values[k] ? none : s)),
          rounded.map((s, k) => text(s, k, state)),
        ];
      },
    },
  });
})();
