/* Forms: kept on this device first, drafts, quick phrases, choosing rows. Each form also works as a plain POST.

     form[data-queue=kind]  goes through the outbox. data-label: its name in the list of what waits; data-label-from: take that
                            name from the chosen label of this field; data-then: page to go to afterwards; data-many: address
                            that takes several of them at once.
                            In an .entry card: data-done: the line that replaces the card; data-tone: "returned";
                            data-undo: address that takes the act back (field `of` = client_uuid of the act).
     form[data-draft][id]   unfinished input is kept on this device until a page says that it was saved; [data-draft-state] says when
     form[data-kept]        carries what was typed when the session had ended (templates/accounts/kept.html)
     [data-fill=id]         button that writes its text into a textarea
     [data-no-id=id]        field that shows the warning #id when it holds an ID-card or phone number
     [data-all=name] [data-selected=name] [data-needs=name]   tick all, how many, a button that needs at least one
     [data-script=url]      fetched once the page stands: what a first load need not carry
     [data-count]           numbers that go down with each decision */
(() => {
  'use strict';
  const doc = document, box = self.Outbox, ui = self.Firefly;
  const { $, $$, texts, account, fill, make, button, say, toast } = ui;
  const IMPATIENT_MS = 2500, BROKEN_MS = 3000, DRAFT_MS = 600, SECOND_TAP_MS = 500, BUSY_MS = 10000;
  const submit = form => HTMLFormElement.prototype.submit.call(form);
  const wait = ms => new Promise(resolve => setTimeout(resolve, ms));

  /* ---- Through the outbox ---- */
  const fieldsOf = form => Array.from(new FormData(form)).filter(([name, value]) => typeof value === 'string' && !/^(client_uuid|form_token)$/.test(name));

  function labelOf(form) {
    const name = form.dataset.labelFrom, field = name && form.elements[name];
    const chosen = field && (field.selectedOptions ? field.selectedOptions[0] : $('[name="' + name + '"]:checked + span', form));
    return chosen ? chosen.textContent.trim() : field && field.value || form.dataset.label || $('h1').textContent.trim();
  }

  /* The plain way: the server validates and shows its page. The same client_uuid makes a repetition harmless. */
  function plainly(form, id, submitter) {
    const hidden = (name, value) => {
      const input = form.querySelector('[type=hidden][name="' + name + '"]') || form.appendChild(Object.assign(make('input'), { type: 'hidden', name }));
      input.value = value;
    };
    hidden('client_uuid', id);
    if (submitter && submitter.name) hidden(submitter.name, submitter.value);
    if ('draft' in form.dataset) sent(draftKey(form));
    submit(form);
  }

  async function queue(form, submitter) {
    const id = box.uuid(), card = form.closest('.entry'), fields = fieldsOf(form);
    if (submitter && submitter.name) fields.push([submitter.name, submitter.value]);
    const item = {
      id, kind: form.dataset.queue, account, url: form.action, many: form.dataset.many, fields, label: labelOf(form),
      page: location.pathname, form: 'draft' in form.dataset ? form.id : ''
    };
    form.dataset.busy = '1';
    try {
      const kept = await Promise.race([box.put(item), wait(BROKEN_MS)]);   /* some browsers' IndexedDB never answers */
      if (!kept) throw new Error('no IndexedDB');
      if (navigator.storage && navigator.storage.persist) navigator.storage.persist();
      if (card) {
        decided(form, card, item);
        ui.flush();
        return;
      }
      await Promise.race([ui.flush(), wait(IMPATIENT_MS)]);
      const left = await box.find(id);
      if (left && left.state === 'attention') {                            /* refused while the person is here: show the page */
        await box.remove(id);
        plainly(form, id, submitter);
        return;
      }
      await box.set(draftKey(form), null);
      form.reset();
      if (form.dataset.then) { location.href = form.dataset.then; return; }
      toast(left ? texts.saved_here : texts.sent);
      scrollTo(0, 0);
      $('#main').focus({ preventScroll: true });
    } catch (_) {
      plainly(form, id, submitter);
    } finally {
      delete form.dataset.busy;
    }
  }

  /* The card becomes one line with Undo that stays: no time limit (WCAG 2.2.1), nothing floats over the next button, and the
     list ignores taps for half a second, so that a double tap cannot decide the card that moves up. */
  function decided(form, card, item) {
    const { done, undo, tone = 'signed' } = form.dataset, list = card.parentNode;
    const line = make('p', 'undo-line'), words = make('span', 'grow', done + texts.join + item.label);
    const back = () => {
      line.remove();
      card.classList.remove('decided', tone);
      count(1);
      say(texts.undone);
      ($('[tabindex="-1"]', card) || card).focus();
    };
    const takeBack = button(texts.undo, async () => {
      takeBack.disabled = true;
      if (await box.withdraw(item.id)) { back(); return; }                 /* it had not left this device */
      if (!undo) { takeBack.remove(); words.focus(); return; }
      await box.put(Object.assign({}, item, { id: '', url: new URL(undo, location.href).href, many: '', fields: [['of', item.id]], label: texts.undo + texts.join + item.label }));
      back();
      ui.flush();
    });
    words.tabIndex = -1;
    line.append(words);
    if (undo || ui.offline) line.append(takeBack);
    card.append(line);
    card.classList.add('decided', tone);
    list.classList.add('hold');
    setTimeout(() => list.classList.remove('hold'), SECOND_TAP_MS);
    count(-1);
    words.focus({ preventScroll: true });
    say(words.textContent);
  }
  function count(by) {
    $$('[data-count]').forEach(e => {
      const n = Math.max(0, +e.dataset.count + by);
      e.dataset.count = e.textContent = n;
      if (e.classList.contains('count')) e.hidden = !n;
    });
  }

  function free(form) {
    delete form.dataset.busy;
    $$('.busy', form).forEach(b => b.classList.remove('busy'));
  }
  doc.addEventListener('submit', e => {
    const form = e.target;
    if (form.dataset.busy) { e.preventDefault(); return; }
    if ('signOut' in form.dataset || form.method !== 'post') return;
    if (form.dataset.queue && account) {
      const valid = form.checkValidity() || !!e.submitter && e.submitter.formNoValidate;
      if (valid || ui.offline) e.preventDefault();
      if (valid) queue(form, e.submitter);
      else if (ui.offline) form.reportValidity();                          /* with a connection the server explains it better */
      if (valid || ui.offline) return;
    }
    form.dataset.busy = '1';                                               /* a double click sends an ordinary form once */
    if (e.submitter) e.submitter.classList.add('busy');
    setTimeout(free, BUSY_MS, form);
  });
  addEventListener('pageshow', () => $$('form[data-busy]').forEach(free));

  /* ---- Drafts: never in the middle of an IME composition ---- */
  const draftKey = form => 'draft:' + account + ':' + form.id;

  /* The draft that this tab has sent: the next page that says "saved" ends it. Sign-in in between does not count as an answer. */
  function sent(key) {
    try {
      if (key) sessionStorage.setItem('sent', key);
      else sessionStorage.removeItem('sent');
    } catch (_) { /* no storage: the draft stays */ }
  }
  function settleSent() {
    let key = null;
    try { key = sessionStorage.getItem('sent'); } catch (_) { /* no storage: the draft stays */ }
    if (!key || $('form[data-kept]')) return;
    if ($('.notes .note.ok') && key.indexOf('draft:' + account + ':') === 0) box.set(key, null).catch(() => {});
    sent(null);
  }
  if (account) settleSent();

  const draftable = el => el.name && !/^(hidden|password|file|submit|button)$/.test(el.type);

  function keepDraft(form) {
    const key = draftKey(form), state = $('[data-draft-state]');
    let timer = 0, composing = false, dirty = false;
    const note = text => { if (state) state.textContent = text; };
    const save = async () => {
      clearTimeout(timer);
      if (composing || !dirty || form.dataset.busy) return;
      const names = new Set(Array.from(form.elements).filter(draftable).map(el => el.name));
      await box.set(key, fieldsOf(form).filter(([name]) => names.has(name)));
      dirty = false;
      note(fill(texts.draft_kept, { time: ui.clock() }));
    };
    const soon = ms => {
      dirty = true;
      clearTimeout(timer);
      timer = setTimeout(save, ms);
    };
    const now = () => { composing = false; save(); };
    form.addEventListener('compositionstart', () => { composing = true; clearTimeout(timer); });
    form.addEventListener('compositionend', () => { composing = false; soon(400); });
    form.addEventListener('input', e => { if (!e.isComposing && !composing) soon(DRAFT_MS); });
    form.addEventListener('reset', () => { dirty = false; });
    form.addEventListener('submit', () => {
      if (form.dataset.queue || form.dataset.busy) return;
      save();
      sent(key);
    });
    doc.addEventListener('visibilitychange', () => { if (doc.hidden) now(); });
    addEventListener('pagehide', now);
    if ($('#errors')) return;                                              /* the refused page holds what was typed */
    box.get(key).then(kept => {
      if (!kept) return;
      const values = name => kept.filter(field => field[0] === name).map(field => field[1]);
      Array.from(form.elements).filter(draftable).forEach(el => {
        if (/radio|checkbox/.test(el.type)) el.checked = values(el.name).includes(el.value);
        else if (values(el.name).length) el.value = values(el.name)[0];
      });
      note(texts.draft_back);
    }).catch(() => {});
  }
  if (account) $$('form[data-draft]').forEach(keepDraft);

  /* ---- Small helps ---- */
  $$('[data-no-id]').forEach(el => el.addEventListener('input', e => {     /* 18-digit resident ID or 11-digit mobile number */
    if (!e.isComposing) doc.getElementById(el.dataset.noId).hidden = !/(^|\D)(\d{17}[\dXx]|1[3-9]\d{9})(?!\d)/.test(el.value);
  }));

  doc.addEventListener('click', e => {
    const phrase = e.target.closest('[data-fill]');
    if (!phrase) return;
    const area = doc.getElementById(phrase.dataset.fill);
    area.value = (area.value ? area.value + ' ' : '') + phrase.textContent.trim();
    area.dispatchEvent(new Event('input', { bubbles: true }));
    area.focus();
  });

  function selection(name) {
    const n = $$('input[name="' + name + '"]:checked').length;
    $$('[data-selected="' + name + '"]').forEach(e => { e.textContent = n; });
    $$('[data-needs="' + name + '"]').forEach(b => { b.disabled = !n; });
  }
  $$('[data-needs], [data-selected]').forEach(e => selection(e.dataset.needs || e.dataset.selected));
  doc.addEventListener('change', e => {
    const name = e.target.dataset.all;
    if (name) $$('input[name="' + name + '"]:not(:disabled)').forEach(c => { c.checked = e.target.checked; });
    if (e.target.type === 'checkbox') selection(name || e.target.name);
  });

  /* A part of the page that keeps up by itself: the page's own address answers a script with just that part. */
  async function renew(part) {
    const reply = doc.hidden ? null : await fetch(location.href, { headers: { 'X-Requested-With': 'lms' } }).catch(() => null);
    if (reply && reply.redirected) { location.href = reply.url; return; }     /* it is over */
    if (reply && reply.ok) {
      const piece = await reply.text(), { id } = doc.activeElement;
      part.innerHTML = piece;
      if (id && doc.activeElement === doc.body && doc.getElementById(id)) doc.getElementById(id).focus();
    }
    setTimeout(renew, part.dataset.renew * 1000, part);
  }
  $$('[data-renew]').forEach(part => setTimeout(renew, part.dataset.renew * 1000, part));
  $$('[data-script]').forEach(part => doc.head.append(Object.assign(make('script'), { src: part.dataset.script })));
})();
