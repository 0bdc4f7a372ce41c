// The page of `unimse predict --html`: a line in every figure and a mark in the table follow what is played; a time in the table plays its utterance.
(() => {
  for (const scene of document.querySelectorAll(".scene")) {
    const player = scene.querySelector(".player"), missing = scene.querySelector(".missing"), curves = [...scene.querySelectorAll(".curve svg")];
    const rows = [...scene.querySelectorAll(".captions tbody tr")].map(row => ({ row, seek: row.querySelector(".seek") })).filter(({ seek }) => seek)
      .map(({ row, seek }) => ({ row, seek, from: Number(seek.dataset.from), to: Number(seek.dataset.to) }));
    const follow = () => {
      const now = player.currentTime;
      for (const svg of curves) {
        const { from, to, left, right } = Object.fromEntries(Object.entries(svg.dataset).map(([name, value]) => [name, Number(value)]));
        const line = svg.querySelector(".now"), share = (now - from) / Math.max(to - from, 0.001), x = left + (right - left) * Math.min(Math.max(share, 0), 1);
        line.setAttribute("x1", x);
        line.setAttribute("x2", x);
        line.setAttribute("visibility", "visible");
      }
      for (const { row, from, to } of rows) {
        if (now >= from && now < to) row.setAttribute("aria-current", "time"); else row.removeAttribute("aria-current");
      }
    };
    for (const event of ["timeupdate", "seeked"]) player.addEventListener(event, follow);
    for (const { seek, from } of rows) seek.addEventListener("click", () => {
      player.currentTime = from;
      player.play().catch(() => {}); // a clip that cannot be played has said so
    });
    const lost = () => { missing.hidden = false; };
    player.addEventListener("error", lost);
    if (player.error) lost();
    missing.querySelector("input").addEventListener("change", event => {
      const [file] = event.target.files;
      if (!file) return;
      player.src = URL.createObjectURL(file);
      missing.hidden = true;
    });
  }
})();
