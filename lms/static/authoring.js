// The author's form: areas are drawn on the picture into the fields that hold their numbers, and the question is shown beside
// them as a candidate sees it, made by the server from what is typed. Without this file the same is done by numbers and a button.
(() => {
  'use strict';
  const form = document.getElementById('wording');
  if (!form) return;
  const $ = (selector, root) => (root || document).querySelector(selector), $$ = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  $$('[data-live]', form).forEach(one => { one.hidden = false; });

  /* ---- Drawing ---- */
  const picture = $('[data-draw]'), rows = $$('[data-area]');
  const shapeOf = row => $('select', row), coordsOf = row => $('input', row), armOf = row => $('[data-arm]', row);
  const LEAST = { circle: 3, rect: 4, ellipse: 4, poly: 6 };
  let armed = null;

  function draw() {
    const svg = $('svg', picture), all = rows.map(row => [shapeOf(row).value, (coordsOf(row).value.match(/-?\d+/g) || []).map(Number)]);
    svg.textContent = '';
    svg.append(...all.filter(([shape, at]) => at.length >= (shape === 'poly' ? 2 : LEAST[shape])).map(([shape, at]) => {
      const open = shape === 'poly' && at.length < 6, made = document.createElementNS(svg.namespaceURI, open ? 'polyline' : shape === 'poly' ? 'polygon' : shape);
      const set = values => Object.keys(values).forEach(name => made.setAttribute(name, values[name]));
      if (shape === 'circle') set({ cx: at[0], cy: at[1], r: Math.abs(at[2]) });
      else if (shape === 'ellipse') set({ cx: at[0], cy: at[1], rx: Math.abs(at[2]), ry: Math.abs(at[3]) });
      else if (shape === 'rect') set({ x: Math.min(at[0], at[2]), y: Math.min(at[1], at[3]), width: Math.abs(at[2] - at[0]), height: Math.abs(at[3] - at[1]) });
      else set({ points: (at.length === 2 ? at.concat(at) : at).join(' '), 'stroke-linecap': 'round' });
      return made;
    }));
  }
  function arm(row) {
    armed = row;
    rows.forEach(each => armOf(each).setAttribute('aria-pressed', String(each === row)));
    picture.classList.toggle('armed', !!row);
  }
  function put(row, numbers) {
    coordsOf(row).value = numbers.join(', ');
    draw();
  }
  if (picture) {
    const img = $('img', picture), size = [+img.getAttribute('width'), +img.getAttribute('height')];
    const at = e => {
      const box = img.getBoundingClientRect();
      return [(e.clientX - box.left) / box.width * size[0], (e.clientY - box.top) / box.height * size[1]].map((n, k) => Math.max(0, Math.min(size[k], Math.round(n))));
    };
    rows.forEach(row => {
      armOf(row).onclick = () => {
        if (armed === row) { arm(null); return; }
        if (shapeOf(row).value === 'poly' && armed !== row) put(row, []);
        arm(row);
      };
      shapeOf(row).onchange = () => { put(row, []); look(); };
      coordsOf(row).addEventListener('input', draw);
    });
    picture.addEventListener('pointerdown', e => {
      if (!armed || e.button) return;
      e.preventDefault();
      const row = armed, shape = shapeOf(row).value, from = at(e);
      if (shape === 'poly') {
        put(row, (coordsOf(row).value.match(/\d+/g) || []).concat(from));
        look();
        return;
      }
      picture.setPointerCapture(e.pointerId);
      picture.onpointermove = move => {
        const to = at(move), wide = Math.abs(to[0] - from[0]), high = Math.abs(to[1] - from[1]);
        if (shape === 'circle') put(row, [...from, Math.max(1, Math.round(Math.hypot(wide, high)))]);
        else if (shape === 'ellipse') put(row, [...from, Math.max(1, wide), Math.max(1, high)]);
        else put(row, [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])]);
      };
      picture.onpointerup = picture.onpointercancel = () => {
        picture.onpointermove = picture.onpointerup = picture.onpointercancel = null;
        look();
      };
    });
    draw();
  }

  /* ---- The preview follows what is typed, once it can be shown ---- */
  let waits = 0, asked = 0;
  function dress(root) {                        /* candidates have scripts too */
    $$('[data-live]', root).forEach(one => { one.hidden = false; });
    $$('[data-plain]', root).forEach(one => { one.hidden = true; });
  }
  dress($('[data-preview]'));
  async function show() {
    const mine = ++asked, data = new FormData(form);
    data.delete('picture');
    data.set('act', 'preview');
    const answer = await fetch(form.action || location.href, { method: 'POST', body: data, credentials: 'same-origin' }).catch(() => null);
    if (!answer || !answer.ok || mine !== asked) return;
    const fresh = $('[data-preview]', new DOMParser().parseFromString(await answer.text(), 'text/html')), old = $('[data-preview]');
    if (!fresh || old.contains(document.activeElement)) return;
    old.replaceWith(document.adoptNode(fresh));
    dress(fresh);
  }
  function look() {
    clearTimeout(waits);
    waits = setTimeout(show, 900);
  }
  form.addEventListener('input', look);
})();
