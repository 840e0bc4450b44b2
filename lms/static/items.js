/* What few papers or few devices need: kinds of questions beyond choosing (numbers, words, ordering, matching, places on a
   picture, files), the steps of serial cases, keys. exam.js and practice.js load this late; the fields stand in templates/_macros/items.html.

   Each kind: read(q) → response; show(q, response); settle(q, field): what a change means for the other fields of the question;
   send(q): instead of an operation at once. `paper` is what exam.js hands over. */
self.FireflyItems = paper => {
  'use strict';
  const { $, $$, texts, fill, say, toast } = self.Firefly, { KINDS, boxes, slotOf, inSlot, isOpen, changed, record } = paper;
  const form = paper.form || $('#exam');
  const asked = (path, more) => fetch(form.dataset.slots + path, Object.assign({ credentials: 'same-origin', cache: 'no-store' }, more)).catch(() => null);
  const put = (field, value) => { if (field) field.value = value == null ? '' : value; };
  /* `act(element, question, event)` where something happens to an element of an open question. */
  const on = (type, selector, act) => form.addEventListener(type, e => {
    const found = e.target.closest(selector), q = found && found.closest('.question');
    if (q && isOpen(q)) act(found, q, e);
  });

  const refuse = (field, n) => { field.checked = false; toast(fill(texts.limit, { n })); };

  KINDS.checklist = { read: () => ({}), show: () => {} };     /* the examiner's */
  KINDS.multiple.settle = (q, field) => {
    const n = +q.dataset.limit;
    if (field && n && boxes(q).filter(box => box.checked).length > n) refuse(field, n);
  };
  const ticked = q => boxes(q).filter(box => box.checked).map(box => +box.value);
  KINDS.cases = {                               /* a choice is no answer, so it never counts as one */
    read: () => ({}),
    send: q => record(slotOf(q), { choose: ticked(q) }),
    show: (q, body) => boxes(q).forEach(box => { box.checked = (body.choose || []).includes(+box.value); }),
    settle: (q, field) => {
      if (!field || ticked(q).length <= q.dataset.limit) return;
      field.checked = false;
      toast(q.dataset.many);
    }
  };
  const listOf = q => $('select', q);
  KINDS.list = { read: q => ({ choice: listOf(q).value || null }), show: (q, body) => put(listOf(q), body.choice) };

  /* ---- Numbers and words ---- */
  const numberOf = q => $('input[name$="-number"]', q), unitOf = listOf;
  KINDS.number = {
    read: q => Object.assign({ number: numberOf(q).value }, unitOf(q) && unitOf(q).value ? { unit: unitOf(q).value } : {}),
    show: (q, body) => { put(numberOf(q), body.number); put(unitOf(q), body.unit); }
  };

  const rangeOf = q => $('[type=range]', q);
  KINDS.slider = {
    read: KINDS.number.read,
    show: KINDS.number.show,
    settle: q => {
      rangeOf(q).classList.toggle('unset', !numberOf(q).value);
      if (numberOf(q).value) rangeOf(q).value = numberOf(q).value;
    }
  };
  on('input', '[type=range]', (range, q) => { numberOf(q).value = range.value; KINDS.slider.settle(q); });
  on('input', '.scale [type=number]', (field, q) => KINDS.slider.settle(q));
  on('click', '[type=range]', (range, q) => {   /* the place where it stood, which is no input */
    if (numberOf(q).value) return;
    numberOf(q).value = range.value;
    changed(q);
  });

  const wordsOf = q => $('textarea, input[type=text]', q);
  KINDS.text = { read: q => ({ text: wordsOf(q).value }), show: (q, body) => put(wordsOf(q), body.text) };
  KINDS.essay = Object.assign({ settle: q => { $('[data-count]', q).textContent = Array.from(wordsOf(q).value).length; } }, KINDS.text);
  on('input', 'textarea', (field, q) => KINDS.essay.settle(q));

  /* ---- Order: the places stand in lists; here the rows move instead. Other rows move around the one that is held, so that it
          keeps the focus and the pointer. ---- */
  const rowsOf = q => $$('.order > li', q), placeOf = row => $('.place', row);
  KINDS.order = {
    read: q => {
      const rows = rowsOf(q).filter(row => placeOf(row).value);
      rows.sort((a, b) => placeOf(a).value - placeOf(b).value);
      return { order: rows.length === rowsOf(q).length ? rows.map(row => placeOf(row).dataset.option) : [] };
    },
    show: (q, body) => rowsOf(q).forEach(row => put(placeOf(row), 1 + (body.order || []).indexOf(placeOf(row).dataset.option) || '')),
    settle: q => {
      const { order } = KINDS.order.read(q), rows = rowsOf(q), known = order.length > 0;
      rows.forEach(row => { $('.rank', row).textContent = known ? placeOf(row).value : '–'; });
      if (rows.some((row, i) => known && placeOf(row).dataset.option !== order[i])) {
        $('.order', q).append(...rows.sort((a, b) => placeOf(a).value - placeOf(b).value));
      }
      $('.as-it-is', q).parentNode.hidden = known;
    }
  };
  function placed(q, row) {
    rowsOf(q).forEach((each, i) => put(placeOf(each), i + 1));
    changed(q);
    if (row) say(placeOf(row).value + '. ' + $('label', row).textContent);
  }
  on('click', '.up, .down', (button, q) => {
    const row = button.closest('li'), up = button.classList.contains('up'), other = up ? row.previousElementSibling : row.nextElementSibling;
    if (other) row[up ? 'after' : 'before'](other);
    placed(q, row);
  });
  on('click', '.as-it-is', (button, q) => placed(q));
  on('pointerdown', '.grip', (grip, q, start) => {
    const row = grip.closest('li'), middle = other => { const box = other.getBoundingClientRect(); return box.top + box.height / 2; };
    start.preventDefault();
    grip.setPointerCapture(start.pointerId);
    row.classList.add('held');
    grip.onpointermove = e => {
      const before = row.previousElementSibling, after = row.nextElementSibling;
      if (before && e.clientY < middle(before)) row.after(before);
      else if (after && e.clientY > middle(after)) row.before(after);
    };
    grip.onpointerup = grip.onpointercancel = () => {
      grip.onpointermove = grip.onpointerup = grip.onpointercancel = null;
      row.classList.remove('held');
      placed(q, row);
    };
  });

  /* ---- Pairs: a list or boxes in each row. What may be used once leaves the row where it was; what has no direction shows on
          both sides and counts once. ---- */
  const holdersOf = q => $$('[data-row]', q), choices = holder => (holder.options ? Array.from(holder.options) : boxes(holder));
  const isHeld = choice => !!choice.value && (choice.checked || choice.selected) === true;
  const heldBy = holder => choices(holder).filter(isHeld).map(choice => choice.value);
  const hold = (holder, ids) => choices(holder).forEach(choice => { choice[holder.options ? 'selected' : 'checked'] = ids.includes(choice.value); });
  const release = (holder, id) => hold(holder, heldBy(holder).filter(one => one !== id));
  KINDS.pairs = {
    read: q => {
      const both = 'symmetric' in $('.pairs', q).dataset, pairs = [].concat(...holdersOf(q).map(holder => heldBy(holder).map(id => [holder.dataset.row, id])));
      return { pairs: pairs.filter(([a, b], i) => !both || !pairs.slice(0, i).some(([c, d]) => c === b && d === a)) };
    },
    show: (q, body) => {
      const both = 'symmetric' in $('.pairs', q).dataset;
      holdersOf(q).forEach(holder => {
        const { row } = holder.dataset, mine = (body.pairs || []).filter(([a, b]) => a === row || both && b === row);
        hold(holder, mine.map(([a, b]) => (a === row ? b : a)));
      });
    },
    settle: (q, field) => {
      if (!field) return;
      const { perRow, perOption, symmetric } = $('.pairs', q).dataset, most = +perRow, mine = field.closest('[data-row]'), { row } = mine.dataset;
      const held = heldBy(mine), taken = held.includes(field.value) && field.value, others = holdersOf(q).filter(holder => holder !== mine);
      if (symmetric == null) {
        const users = others.filter(holder => taken && heldBy(holder).includes(taken));
        if (most && held.length > most) refuse(field, most);
        else if (+perOption && users.length >= perOption) release(users[0], taken);
        return;
      }
      const other = others.find(holder => holder.dataset.row === taken);
      if (taken && most > 1 && (held.length > most || heldBy(other).length >= most)) { refuse(field, most); return; }
      others.forEach(holder => {
        if (!held.includes(holder.dataset.row)) release(holder, row);
        if (most === 1 && taken && holder !== other) release(holder, taken);
      });
      if (taken) hold(other, most === 1 ? [row] : heldBy(other).concat(row));
    }
  };

  /* ---- Places on a picture, in its own pixels however small it is shown ---- */
  const pointsOf = q => $$('[data-point]', q).map(point => $$('input', point)), marksOf = q => $$('.mark', q);
  const sizeOf = q => ['width', 'height'].map(name => +$('.spot img', q).getAttribute(name));
  const at = fields => fields.map(field => +field.value);
  KINDS.point = {
    read: q => ({ points: pointsOf(q).filter(fields => fields[0].value && fields[1].value).map(at) }),
    show: (q, body) => pointsOf(q).forEach((fields, i) => fields.forEach((field, k) => put(field, ((body.points || [])[i] || [])[k]))),
    settle: q => {
      const size = sizeOf(q), points = pointsOf(q);
      marksOf(q).forEach((mark, i) => {
        const isSet = !!points[i][0].value, [x, y] = isSet ? at(points[i]) : size.map(n => n / 2);
        mark.classList.toggle('set', isSet);
        mark.style.left = 100 * x / size[0] + '%';
        mark.style.top = 100 * y / size[1] + '%';
        $('[data-at]', mark).textContent = isSet ? ' ' + x + ', ' + y : ' –';
      });
      $('.unmark', q).parentNode.hidden = !KINDS.point.read(q).points.length;
    }
  };
  function mark(q, i, xy) {
    const size = sizeOf(q);
    pointsOf(q)[i].forEach((field, k) => put(field, Math.max(0, Math.min(size[k], Math.round(xy[k])))));
    changed(q);
  }
  const away = (fields, xy) => (fields[0].value ? Math.hypot(fields[0].value - xy[0], fields[1].value - xy[1]) : -1);
  on('click', '.spot', (spot, q, e) => {
    const box = $('img', spot).getBoundingClientRect(), size = sizeOf(q), points = pointsOf(q);
    if (!e.detail) return;                      /* a key: below */
    const xy = [(e.clientX - box.left) / box.width * size[0], (e.clientY - box.top) / box.height * size[1]];
    const nearest = points.slice().sort((a, b) => away(a, xy) - away(b, xy))[0];   /* a free one first */
    mark(q, points.indexOf(nearest), xy);
  });
  on('keydown', '.mark', (button, q, e) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Enter: [0, 0], ' ': [0, 0] }[e.key] || [];
    if (dx == null) return;
    e.preventDefault();
    e.stopPropagation();                        /* or the arrows turn the page */
    const i = marksOf(q).indexOf(button), size = sizeOf(q), fields = pointsOf(q)[i], step = e.shiftKey ? 1 : Math.max(1, Math.round(size[0] / 50));
    const [x, y] = fields[0].value ? at(fields) : size.map(n => n / 2);
    mark(q, i, [x + dx * step, y + dy * step]);
  });
  on('click', '.unmark', (button, q) => {
    KINDS.point.show(q, {});
    changed(q);
  });

  /* ---- Files go by themselves; what the server answers becomes the operation. Until then the question is not answered. ---- */
  const heldFile = q => $('[data-held]', q), picker = q => $('[type=file]', q);
  const news = (q, word) => $$('[data-said]', q).forEach(each => { each.hidden = each.dataset.said !== word; });
  const PATIENCE_MS = 10000, underWay = new Map();     /* question → what is being sent */
  KINDS.file = {
    read: q => ({ file: heldFile(q).dataset.file, name: $('span', heldFile(q)).textContent }),
    show: (q, body) => {
      heldFile(q).dataset.file = body.file || '';
      heldFile(q).hidden = !body.file;
      $('span', heldFile(q)).textContent = body.name || '';
    },
    send: q => {
      if (!picker(q).value) return record(slotOf(q), KINDS.file.read(q));
      if (!underWay.has(q)) underWay.set(q, upload(q).then(body => {
        underWay.delete(q);
        paper.typing.delete(q);
        if (!body) return null;
        picker(q).value = '';
        KINDS.file.show(q, body);
        return changed(q);
      }));
      paper.typing.set(q, 0);                   /* handing in waits for it, but not for ever */
      return Promise.race([underWay.get(q), new Promise(done => setTimeout(done, PATIENCE_MS))]);
    }
  };
  async function upload(q) {
    const [file] = picker(q).files, slot = slotOf(q), fields = new FormData();
    const says = word => { news(q, word); return null; };
    if (file.size > picker(q).dataset.most) return says('large');
    if (!picker(q).accept.split(',').some(end => file.name.toLowerCase().endsWith(end))) return says('format');
    says('sending');
    fields.append('slot-' + slot, file);
    const reply = await asked(slot + '/file', { method: 'POST', headers: { 'X-Requested-With': 'lms' }, body: fields });
    if (!reply || reply.status >= 500) return says('waits');
    return reply.ok ? says() || reply.json() : says('refused');
  }
  on('click', '[data-held] button', (button, q) => {
    picker(q).value = '';
    KINDS.file.show(q, {});
    changed(q);
  });
  addEventListener('online', () => $$('[type=file]', form).forEach(field => { if (field.value) changed(field.closest('.question')); }));

  if (paper.form) return {};                    /* practice: steps and hand-in are the server's */

  /* ---- The steps of a serial case. A lock is an operation like an answer; once the server has it, the next ask may be fetched.
          What is locked is remembered beside the answers: a page from the browser's store may be older than the lock. ---- */
  const waiting = new Set(), locks = new Set(), ask = $('#lock');     /* slots */
  const notice = q => $('[data-waits]', q);
  function locked(q) {
    const { next } = q.dataset;
    q.disabled = true;
    q.dataset.locked = '';
    $('.locked-mark', q).hidden = false;
    $$('.lock-line', q).forEach(line => { line.hidden = true; });
    locks.add(slotOf(q));
    if (q.dataset.kind === 'cases' || next && !inSlot(+next)) waiting.add(slotOf(q));
  }
  const remember = () => paper.keep('locks', Array.from(locks));
  async function lock(q, what) {
    await paper.finishTyping();
    locked(q);
    waiting.add(slotOf(q));
    await record(slotOf(q), { lock: what || true });
    remember();
    if (!await paper.send() && waiting.has(slotOf(q))) notice(q).hidden = false;
  }
  on('click', '.lock-btn', (button, q, e) => {
    e.preventDefault();
    const isEmpty = !paper.isAnswered(q);
    $('[data-empty]', ask).hidden = !isEmpty;
    $('[data-sure]', ask).onclick = () => { ask.close(); lock(q); };
    if (isEmpty || !locks.size && !$('[data-locked]', form)) ask.showModal();
    else lock(q);
  });
  /* Cases are chosen for good, a part is finished: what comes then is another page. */
  on('click', '.settle-btn', (button, q, e) => {
    const choose = ticked(q), sure = $('#settle');
    e.preventDefault();
    if (choose.length !== +q.dataset.limit) { toast(q.dataset.few); return; }
    $('[data-sure]', sure).onclick = () => { sure.close(); lock(q, choose); };
    sure.showModal();
  });
  const finish = $('[data-finish]');
  function passed(slot) {
    waiting.add(slot);
    $$('.question', form).forEach(q => { q.disabled = true; });
    $('#part-waits').hidden = false;
  }
  if (finish) Outbox.opsOf(form.dataset.sitting).then(ops => { if (ops.some(op => op.slot === +finish.value)) passed(+finish.value); }, () => {});
  if (finish) finish.addEventListener('click', async () => {
    $('#hand-in').close();
    await paper.finishTyping();
    passed(+finish.value);
    await record(+finish.value, { lock: true });
    paper.send();
  });
  /* Everything is on the server: what waited for a lock may be asked for. */
  const opened = () => Array.from(waiting).forEach(async slot => {
    const q = inSlot(slot), { next } = q ? q.dataset : {};
    waiting.delete(slot);
    if (!q || q.dataset.kind === 'cases') {
      locks.delete(slot);
      await remember();
      location.reload();
      return;
    }
    if (next && !inSlot(+next)) {
      const reply = await asked(next);
      if (!reply || reply.status >= 500) { waiting.add(slot); notice(q).hidden = false; return; }
      if (!reply.ok) {                          /* the server knows of no such lock: what it shows is right */
        locks.delete(slot);
        await remember();
        location.reload();
        return;
      }
      const piece = document.createElement('template');
      piece.innerHTML = await reply.text();
      paper.insert(piece.content, q);
      if (inSlot(+next) && 'locked' in inSlot(+next).dataset) waiting.add(+next);     /* this page is older than that lock too */
    }
    notice(q).hidden = true;
    if (paper.here() === q) paper.turn(1);
    opened();
  });

  /* ---- Keys, while nobody types: 1–9 or A–Z choose, ← → move. They can be switched off (WCAG 2.1.4). ---- */
  addEventListener('keydown', e => {
    const typingIn = /TEXTAREA|SELECT/.test(e.target.nodeName) || e.target.nodeName === 'INPUT' && !/radio|checkbox/.test(e.target.type);
    if (typingIn || e.isComposing || e.keyCode === 229 || e.ctrlKey || e.metaKey || e.altKey || $('dialog[open]') || !$('#keys').checked) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key], q = paper.here();
    if (step) { e.preventDefault(); paper.turn(step); return; }
    const key = /^[1-9a-z]$/i.test(e.key) ? parseInt(e.key, 36) : 0, box = boxes(q)[key - (key < 10 ? 1 : 10)];
    if (box && isOpen(q) && /choice|multiple/.test(q.dataset.kind)) { box.click(); box.focus(); }
  });
  Outbox.get('keys').then(kept => { $('#keys').checked = kept !== 'off'; }, () => {});
  $('#keys').addEventListener('change', e => Outbox.set('keys', e.target.checked ? null : 'off').catch(() => {}));

  on('focusin', '.gap', (gap, q) => paper.here(q));     /* from gap to gap of one text */
  return { locked, opened };
};
