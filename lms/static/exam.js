/* The sitting. The server's form holds the whole paper and works without this script; here it is paged, and every change
   becomes an operation that is written to IndexedDB first, sent in batches, and forgotten only when the server has it.
   Markup and protocol: templates/_macros/exam.html. The server's clock decides; ours only shows what is left. */
(() => {
  'use strict';
  const ui = self.Firefly, box = self.Outbox, form = ui.$('#exam');
  if (!form) return;
  const { $, $$, texts, fill, say, toast, clock } = ui;
  const { sitting, done } = form.dataset, epoch = +form.dataset.epoch, url = new URL(form.dataset.ops, location.href).href;
  const links = $$('.navigator a'), total = +form.dataset.total;
  let questions = $$('.question', form);        /* those that are open; later asks of a serial case come when the one before is locked */
  const numberOf = q => +q.id.slice(1), slotOf = q => +q.dataset.slot, inSlot = slot => questions.find(q => slotOf(q) === slot);
  const SEND_AFTER_MS = 800, SEND_AT_LATEST_MS = 5000, TYPED_AFTER_MS = 1500, HEARTBEAT_MS = 30000, RETRY_MAX_MS = 30000;
  const MARKS_MIN = [10, 5, 1];

  const unsent = new Map();                     /* seq → operation: what IndexedDB holds, at hand for the page's last moment */
  let started = false, writable = !('readonly' in form.dataset), handedIn = false, leaving = false;
  let writing = 0;                              /* changes on their way into IndexedDB: neither here nor on the server yet */
  let serial = null;                            /* the steps of serial cases (items.js): locked, and only then the server sends the next */
  let news = +form.dataset.news;                /* how far this page has heard what invigilators did */
  let memory = null;                            /* {device, seq} when this browser has no IndexedDB */
  const keep = (key, value) => box.set(key + ':' + sitting, value).catch(() => {});

  /* ---- Words about the state ---- */
  function state(tone, text, icon) {
    const line = $('#save-state');
    line.className = 'save-state ' + tone;
    $('span', line).textContent = text;
    $('use', line).setAttribute('href', '#i-' + icon);
  }
  function trouble(text) {
    $('#trouble').hidden = !text;
    $('#trouble span').textContent = text;
  }
  const freeze = on => questions.forEach(q => { q.disabled = on || 'locked' in q.dataset; });

  /* ---- Answers: the fields of each kind (templates/_macros/items.html) and the response that they make ---- */
  const boxes = q => $$('[type=radio], [type=checkbox]', q), picked = q => boxes(q).filter(box => box.checked).map(box => box.value);
  const pick = (q, list) => boxes(q).forEach(box => { box.checked = list.includes(box.value); });
  const KINDS = {
    choice: { read: q => ({ choice: picked(q)[0] || null }), show: (q, body) => pick(q, [body.choice]) },
    multiple: { read: q => ({ choices: picked(q) }), show: (q, body) => pick(q, body.choices || []) }
  };
  const kindOf = q => KINDS[q.dataset.kind];
  const isAnswered = q => Object.entries(kindOf(q).read(q)).some(([name, value]) => !/unit|name/.test(name) && value && (value.trim ? value.trim() : value.length));
  /* Answered while this script was still on its way, over a slow link: nobody has written it down yet. */
  const isTouched = q => $$('input, textarea, option', q).some(f =>
    f.nodeName === 'OPTION' ? f.selected && f.value && !f.defaultSelected : f.checked !== f.defaultChecked || f.value !== f.defaultValue);
  function show(q, body) {
    if ('flag' in body) flags[q.dataset.slot] = body.flag;
    else if (body.lock) serial.locked(q);
    else kindOf(q).show(q, body);
  }

  async function record(slot, body) {
    let op;
    writing++;
    state('', texts.saving, 'cloud-upload');
    try {
      if (memory) throw memory;
      op = await box.addOp(sitting, slot, body);
      state('', fill(texts.on_device, { time: clock() }), 'cloud-upload');
    } catch (_) {
      memory = memory || { device: box.uuid(), seq: 0 };
      op = { device: memory.device, seq: ++memory.seq, slot, body, mono_ms: Math.round(performance.now()) };
    }
    writing--;
    unsent.set(op.seq, op);
    soon();
  }

  /* ---- Sending: soon after a change, at the latest after 5 s; backoff with jitter while it fails; a heartbeat of 30 s ± 20 % ---- */
  let timer = 0, oldest = 0, failures = 0;
  function later(ms) {
    clearTimeout(timer);
    timer = setTimeout(send, ms);
  }
  function soon() {
    if (failures) return;                       /* the retry is on its way */
    oldest = oldest || Date.now();
    later(Math.max(0, Math.min(SEND_AFTER_MS, oldest + SEND_AT_LATEST_MS - Date.now())));
  }
  const backoff = () => Math.min(RETRY_MAX_MS, 500 * 2 ** failures);
  async function send() {
    clearTimeout(timer);
    oldest = 0;
    const jitter = .8 + Math.random() * .4, before = unsent.size;
    try {
      const answer = memory ? await box.postOps(url, epoch, Array.from(unsent.values())) : await box.sendOps(sitting);
      if (memory) heard(answer);
      failures = before && unsent.size >= before ? failures + 1 : 0;       /* answered, but nothing was taken: wait longer */
      later(failures ? backoff() * jitter : unsent.size ? SEND_AFTER_MS : HEARTBEAT_MS * jitter);
      return answer;
    } catch (error) {
      if (error.status === 401) ui.askToSignIn();
      const refused = error.status && error.status < 500;
      state('offline', refused ? fill(texts.refused, { status: error.status }) : texts.no_connection, 'wifi-off');
      failures++;
      later(backoff() * jitter);
      return null;
    }
  }
  /* The page may not live long enough to ask IndexedDB: send what is at hand, the numbers sort out repetitions. */
  function lastWords() {
    if (unsent.size) box.postOps(url, epoch, Array.from(unsent.values()), true).then(heard).catch(() => {});
  }

  /* What the server says; whichever tab or worker sent, all pages hear it. */
  function heard(answer) {
    const rejected = answer.rejected || [], status = answer.state || 'open', halted = status === 'paused';
    unsent.forEach((_, seq) => { if (seq <= answer.acked) unsent.delete(seq); });
    rejected.forEach(r => unsent.delete(r.seq));
    if (answer.remaining_ms >= 0) setClock(answer.remaining_ms);
    if (status !== 'open' && !halted) { finished(); return; }
    if (answer.epoch > epoch || rejected.some(r => /epoch/.test(r.reason))) {
      writable = false;
      freeze(true);
      $('#elsewhere').hidden = false;
    } else if (rejected.length) trouble(fill(texts.not_accepted, { n: rejected.length }));
    if (answer.news > news) fetch(location.pathname + '/messages').then(reply => reply.ok && reply.text()).then(piece => {
      news = answer.news;
      if (piece) $('#messages').innerHTML = piece;
    }).catch(() => {});
    if (!unsent.size && serial) serial.opened();
    if (halted && typing.size) finishTyping();
    else if (unsent.size || writing) return;
    else if (halted) location.reload();         /* to a page that covers the paper */
    else state('', fill(texts.on_server, { time: clock() }), 'cloud-check');
  }
  function finished() {
    if (leaving) return;
    leaving = true;
    clearTimeout(timer);
    ['sitting', 'flags', 'place', 'locks'].forEach(key => keep(key, null));
    box.forgetHeads(sitting).catch(() => {});
    location.replace(done);
  }
  box.on(message => { if (message.type === 'ops' && message.sitting === sitting) heard(message.answer); });

  /* ---- Time: the server's remainder, run on by the monotonic clock; silent but for three marks ---- */
  let remaining = 0, since = 0, tick = 0;
  const spoken = new Set();
  function setClock(ms) {
    remaining = ms;
    since = performance.now();
    showTime();
  }
  function showTime() {
    clearTimeout(tick);
    const s = Math.max(0, Math.round((remaining - (performance.now() - since)) / 1000)), m = Math.floor(s / 60);
    const two = n => ('0' + n % 60).slice(-2), face = $('#timer');
    face.textContent = (m < 60 ? m : Math.floor(m / 60) + ':' + two(m)) + ':' + two(s);
    face.classList.toggle('low', s < 300);
    const mark = MARKS_MIN.find(n => s <= n * 60 && s > n * 60 - 5);
    if (mark && !spoken.has(mark)) {
      spoken.add(mark);
      say(mark === 1 ? texts.minute_left : fill(texts.minutes_left, { n: mark }));
    }
    if (s > 0) tick = setTimeout(showTime, 1000);
    else if (writable && !handedIn) { toast(texts.time_up); handIn(); }
  }

  /* ---- Paging and the navigator ---- */
  let current = 0, flags = {};
  function paint() {
    const open = [], flagged = [];
    questions.forEach(q => {
      const flag = !!flags[q.dataset.slot];
      if (!isAnswered(q)) open.push(numberOf(q));
      if (flag) flagged.push(numberOf(q));
      $$('.answers label', q).forEach(label => label.classList.toggle('chosen', $('input', label).checked));
    });
    $$('.flag-btn').forEach(button => button.setAttribute('aria-pressed', !!flags[button.dataset.slot]));
    links.forEach((link, k) => {                  /* two navigators: beside the paper on wide screens, in a sheet on phones */
      const n = k % total + 1, q = $(link.hash), answered = q && !open.includes(n), flag = flagged.includes(n);
      link.classList.toggle('later', !q);
      link.classList.toggle('answered', answered);
      link.classList.toggle('flagged', flag);
      if (q && n === numberOf(questions[current])) link.setAttribute('aria-current', 'step');
      else link.removeAttribute('aria-current');
      link.setAttribute('aria-label', [fill(texts.question_n, { n }), q ? answered ? texts.answered : texts.unanswered : texts.later].concat(flag ? texts.flagged : []).join(texts.join));
    });
    const later = total - questions.length;
    $$('[data-answered]').forEach(e => { e.textContent = questions.length - open.length; });
    $('#review').textContent = [open[0] && fill(texts.not_answered, { list: open.join(texts.list_join) }), later && fill(texts.not_open, { n: later }),
      open[0] || later ? '' : texts.all_answered, flagged[0] && fill(texts.flags, { list: flagged.join(texts.list_join) })].filter(Boolean).join(' ');
  }
  /* A question has a page of its own; what its group shares stands above it. The gaps of one text share the page of the text. */
  const pageOf = q => q.closest('.group-stem') || q;
  function beside(step) {                       /* the nearest question of another page; -1 or one too many at the ends */
    let to = current;
    do to += step; while (questions[to] && pageOf(questions[to]) === pageOf(questions[current]));
    return to;
  }
  function go(to, focus) {
    const before = questions[current];
    current = Math.max(0, Math.min(questions.length - 1, to));
    const q = questions[current], { group } = q.dataset, page = pageOf(q);
    questions.forEach(other => { other.hidden = other !== q && pageOf(other) === other; });
    $$('.group-stem').forEach(stem => { stem.hidden = stem.id !== group; });
    $('#prev').setAttribute('aria-disabled', beside(-1) < 0);
    $('#next span').textContent = questions[beside(1)] ? texts.next : texts.review;
    paint();
    keep('place', current);
    $('#questions').close();
    if (!focus) return;
    const stays = group && group === before.dataset.group;
    if (!stays) scrollTo(0, 0);
    $(stays && page !== q ? 'input, select' : '[tabindex]', stays ? q : page).focus({ preventScroll: !stays });
  }

  function turn(step, atTheEnd) {
    const to = beside(step);
    if (questions[to]) go(to, true);
    else if (atTheEnd) atTheEnd();
  }

  /* ---- What the person does ---- */
  const typing = new Map();                     /* question → timer of a text that is still being typed */
  let composing = false;
  function changed(q) {
    clearTimeout(typing.get(q));
    typing.delete(q);
    paint();
    return kindOf(q).send ? kindOf(q).send(q) : record(slotOf(q), kindOf(q).read(q));
  }
  /* One field of several has changed: what that means for the others. */
  function settle(q, field) {
    if (kindOf(q).settle) kindOf(q).settle(q, field);
  }
  function typed(q) {
    clearTimeout(typing.get(q));
    typing.set(q, setTimeout(changed, TYPED_AFTER_MS, q));
  }
  const finishTyping = () => Promise.all(Array.from(typing.keys(), changed));
  const questionOf = e => e.target.closest('.question');

  const isTyped = field => field.type && !/radio|checkbox|select/.test(field.type);
  form.addEventListener('change', e => {
    const q = questionOf(e);
    if (!started || !writable || !q || isTyped(e.target) && !typing.has(q)) return;     /* typed and written down already */
    settle(q, e.target);
    changed(q);
  });
  form.addEventListener('input', e => { if (started && isTyped(e.target) && !e.isComposing && !composing && writable) typed(questionOf(e)); });
  form.addEventListener('compositionstart', () => { composing = true; });
  form.addEventListener('compositionend', e => { composing = false; if (started && writable) typed(questionOf(e)); });

  document.addEventListener('click', e => {
    const near = selector => e.target.closest(selector), link = near('.navigator a'), flag = near('.flag-btn');
    if (link) {
      const to = questions.indexOf($(link.hash));
      e.preventDefault();
      if (to >= 0) go(to, true);
    }
    if (near('#prev')) turn(-1);
    if (near('#next')) turn(1, () => $('#hand-in').showModal());
    if (flag) {
      const { slot } = flag.dataset;
      flags[slot] = !flags[slot];
      paint();
      keep('flags', flags);
      if (writable) record(+slot, { flag: flags[slot] });
    }
    if (near('#timer-btn')) near('#timer-btn').setAttribute('aria-pressed', $('#timer').classList.toggle('visually-hidden'));
  });

  document.addEventListener('visibilitychange', () => {
    composing = false;
    if (document.hidden) finishTyping().then(lastWords);
    else send();
  });
  addEventListener('pagehide', () => { finishTyping(); lastWords(); });
  addEventListener('online', send);
  addEventListener('pageshow', e => { if (e.persisted) location.reload(); });

  /* ---- Handing in: an operation after all others, so that it works without a connection too; the answer to it leads to the
          result. A server that answers but does not take it is asked once more by the ordinary form. ---- */
  async function handIn() {
    if (handedIn) return;
    handedIn = true;
    if ($('#hand-in').open) $('#hand-in').close();
    await finishTyping();
    freeze(true);
    await record(null, { submit: true });
    const answer = await send();
    if (leaving) return;
    if (!answer || unsent.size) { trouble(texts.handed_in_here); return; }
    leaving = true;
    freeze(false);                              /* what is disabled is not part of a form */
    form.append(Object.assign(document.createElement('input'), { type: 'hidden', name: 'act', value: 'submit' }));
    form.submit();
  }
  form.addEventListener('submit', e => {
    if (!started || !writable) return;
    e.preventDefault();                         /* Enter in a field: what it holds is saved */
    if (e.submitter && e.submitter.value === 'submit') handIn();
    else finishTyping();
  });

  /* ---- Start: what this device wrote stands over the page, which may be an older copy. While the epoch is the same nobody else
          has written; unsent operations stand in any case. ---- */
  function start(kept, heads, place) {
    const touched = writable ? questions.filter(isTouched) : [];
    started = true;
    heads.filter(head => head.epoch === epoch).concat(kept).forEach(known => {
      const q = inSlot(known.slot);
      if (q && !touched.includes(q)) show(q, known.body);
    });
    kept.forEach(op => {
      unsent.set(op.seq, op);
      if (op.slot === null) handedIn = true;
    });
    dress(document);
    go(place || 0, false);
    setClock(+form.dataset.remainingMs);
    if (handedIn || !writable) freeze(true);
    if (handedIn) trouble(texts.handed_in_here);
    else touched.forEach(changed);
    send();
  }
  function dress(root) {                        /* what only pages with scripts show, and what only those without */
    $$('[data-live]', root).forEach(e => { e.hidden = false; });
    $$('[data-plain]', root).forEach(e => { e.hidden = true; });
    $$('.question', root).forEach(q => settle(q));
  }
  /* Kinds beyond choosing, serial cases and keys bring their own script, which only papers with such questions wait for: until it
     is here they stay ordinary forms. */
  const more = () => new Promise(done => {
    (function load() {
      document.head.append(Object.assign(document.createElement('script'), { src: form.dataset.more, onload: done, onerror: () => setTimeout(load, 3000) }));
    })();
  }).then(() => {
    serial = self.FireflyItems({
      KINDS, typing, boxes, slotOf, inSlot, isAnswered, finishTyping, record, send, keep, turn,
      changed: q => { settle(q); changed(q); },
      isOpen: q => started && writable && !q.disabled,
      here: q => { if (q && q !== questions[current]) { current = questions.indexOf(q); paint(); } return questions[current]; },
      insert: (piece, q) => {
        dress(piece);
        q.after(piece);
        questions = $$('.question', form);
        freeze(!writable);
      }
    });
  });
  (async () => {
    if (questions.some(q => !kindOf(q) || q.dataset.limit || 'next' in q.dataset) || $('#part')) await more();
    else if (matchMedia('(min-width: 960px)').matches) more();
    try {
      await box.set('account', ui.account);
      await box.set('sitting:' + sitting, { url, epoch, account: ui.account });
      const kept = await box.opsOf(sitting), heads = await box.headsOf(sitting);
      const locks = (await box.get('locks:' + sitting) || []).map(slot => ({ slot, epoch, body: { lock: true } }));
      $$('.flag-btn[aria-pressed="true"]').forEach(flag => { flags[flag.dataset.slot] = true; });
      Object.assign(flags, await box.get('flags:' + sitting));
      start(kept, heads.concat(locks), await box.get('place:' + sitting));
    } catch (_) {
      memory = { device: box.uuid(), seq: 0 };
      start([], [], 0);
    }
  })();
})();
