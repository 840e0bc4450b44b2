/* The shell of every page: what waits on this device, dialogs, menu, theme, sign-out, running jobs, the service worker.
   Everything here is an improvement: the pages work without it.

     [data-waiting=kind]          list of what waits in the outbox (empty kind: everything)
     [data-open=id] [data-close]  dialogs; what they ask has a page of its own as well
     [data-job=url]               progress of a job: {"done", "total", "text", "state"}; data-then: where to go at its end
     form[data-sign-out]          asks first while something is unsent
     script[data-delivery=url]    the sender of what waits, fetched once the page stands */
(() => {
  'use strict';
  const doc = document, html = doc.documentElement, box = self.Outbox;
  const $ = (selector, root) => (root || doc).querySelector(selector);
  const $$ = (selector, root) => Array.from((root || doc).querySelectorAll(selector));
  const texts = JSON.parse(($('#texts') || {}).textContent || '{}');
  const account = html.dataset.account || '';
  const fill = (text, values) => (text || '').replace(/%\((\w+)\)s/g, (_, key) => values[key]);
  const clock = () => new Date().toLocaleTimeString(html.lang, { hour12: false });
  html.classList.add('js');

  function make(tag, css, text) {
    const element = doc.createElement(tag);
    if (css) element.className = css;
    if (text) element.textContent = text;
    return element;
  }
  function button(text, act) {
    const b = make('button', 'btn small', text);
    b.type = 'button';
    b.onclick = act;
    return b;
  }

  /* Say it to screen readers; emptied first, so that the same words are read again. */
  function say(text) {
    const live = $('#live');
    live.textContent = '';
    setTimeout(() => { live.textContent = text; }, 60);
  }
  function toast(text, action, act) {
    $$('.toast').forEach(old => old.remove());
    const t = make('div', 'toast');
    t.append(make('span', '', text));
    if (action) t.append(button(action, () => { t.remove(); act(); }));
    else t.classList.add('passive');
    doc.body.append(t);
    say(text);
    if (!action) setTimeout(() => t.remove(), 8000);
  }
  function askToSignIn() {
    const back = encodeURIComponent(location.pathname + location.search);
    toast(texts.sign_in_again, texts.sign_in, () => { location.href = '/sign-in?next=' + back; });
  }

  /* ---- What waits here, and the pill that says so. navigator.onLine lies, so the words follow real requests. ---- */
  const ui = { $, $$, texts, account, fill, clock, make, button, say, toast, askToSignIn, refresh, flush, offline: navigator.onLine === false, waiting: [] };
  let sending = '';

  function paintPill() {
    const pill = $('#net');
    if (!pill) return;
    const n = ui.waiting.length, parked = ui.waiting.filter(item => item.state === 'attention').length;
    const [tone, icon, words] = parked ? ['bad', 'circle-alert', texts.attention_n]
      : ui.offline ? ['warn', 'wifi-off', n ? texts.offline_n : texts.offline]
      : n ? ['info', 'cloud-upload', texts.sending_n] : ['ok', 'cloud-check', texts.synced];
    pill.className = 'pill net js-only ' + tone;
    $('use', pill).setAttribute('href', '#i-' + icon);
    $('span', pill).textContent = fill(words, { n: parked || n });
  }

  function row(item) {
    const li = make('li'), head = make('div', 'row spread'), parked = item.state === 'attention';
    head.append(make('span', 'grow', item.label || item.kind));
    head.append(make('span', 'pill ' + (parked ? 'bad' : 'warn'), parked ? texts.attention : sending === item.id ? texts.sending : texts.queued));
    li.append(head);
    if (!parked) return li;
    const acts = make('div', 'btns');
    li.append(make('p', 'small', item.why || fill(texts.refused, { status: item.status })), acts);
    acts.append(button(texts.retry, () => box.retry(item.id).then(flush)));
    if (item.form) acts.append(button(texts.edit, async () => {   /* the fields become the draft of the form they came from */
      await box.set('draft:' + item.account + ':' + item.form, item.fields);
      await box.remove(item.id);
      if (location.pathname === item.page) location.reload();
      else location.href = item.page;
    }));
    acts.append(button(texts.discard, () => { if (confirm(texts.discard_sure)) box.remove(item.id); }));
    return li;
  }

  async function refresh() {
    const items = await box.all();
    ui.waiting = items.filter(item => item.account === account);
    paintPill();
    $$('[data-waiting]').forEach(list => {
      const kind = list.dataset.waiting, section = list.closest('section');
      const shown = ui.waiting.filter(item => !kind || item.kind === kind);
      if (section) section.hidden = !shown.length;
      const face = JSON.stringify([items.length, shown.map(item => [item.id, item.state, item.id === sending])]);
      if (list.dataset.face === face) return;                  /* unchanged: leave the focus where it is */
      list.dataset.face = face;
      list.textContent = '';
      list.append(...shown.map(row));
      if (kind) return;
      if (!shown.length) list.append(make('li', 'muted', texts.nothing_waiting));
      const others = items.length - ui.waiting.length;
      if (others) list.append(make('li', 'small muted', fill(texts.others_waiting, { n: others })));
    });
  }
  function tell(message) {
    const worker = navigator.serviceWorker && navigator.serviceWorker.controller;
    if (worker) worker.postMessage(message);
  }
  /* The sender (delivery.js) can wait until the page stands, and is asked for until it comes. */
  const late = account && $('[data-delivery]'), sender = new Promise(done => {
    const load = () => doc.head.append(Object.assign(make('script'), { src: late.dataset.delivery, onload: done, onerror: () => setTimeout(load, 3000) }));
    if (late) addEventListener('load', load);
  });
  async function flush() {
    try {
      if (late && !box.flush) {
        await refresh();
        await sender;
      }
      if (box.flush) await box.flush();
      else tell({ flush: true });                              /* it says what it sends, and every page hears it */
      await refresh();
    } catch (_) { /* no IndexedDB: forms go the plain way */ }
  }

  if (account) {
    box.on(message => {
      const type = message.type;
      if (type === 'offline') ui.offline = true;
      if (type === 'sent' || type === 'ops') ui.offline = false;
      if (type === 'sending') sending = message.id;
      if (type === 'attention') say(texts.attention);
      if (type === 'sign-in') askToSignIn();
      refresh().catch(() => {});
    });
    addEventListener('online', () => { ui.offline = false; flush(); });
    addEventListener('offline', () => { ui.offline = true; paintPill(); });
    addEventListener('pageshow', e => { if (e.persisted) flush(); });
    doc.addEventListener('visibilitychange', () => { if (!doc.hidden) flush(); });
    setInterval(() => { if (ui.waiting.some(item => item.state === 'queued')) flush(); }, 15000);
    box.set('account', account).then(flush, paintPill);
  }

  /* ---- Signing out forgets the saved pages, never the outbox; with work unsent it asks first ---- */
  doc.addEventListener('submit', async e => {
    const form = e.target;
    if (!('signOut' in form.dataset)) return;
    e.preventDefault();
    const go = async () => {
      tell({ forget: true });
      await box.set('account', null).catch(() => {});
      form.submit();
    };
    await Promise.race([flush(), new Promise(resolve => setTimeout(resolve, 3000))]);
    const ask = $('#leaving');
    if (!ui.waiting.length || !ask.showModal) { go(); return; }
    $('[data-leave]', ask).onclick = go;
    ask.showModal();
  });

  /* ---- Dialogs, menu, theme ---- */
  doc.addEventListener('click', e => {
    const near = selector => e.target.closest(selector), opener = near('[data-open]');
    const dialog = opener && doc.getElementById(opener.dataset.open);
    if (dialog && dialog.showModal) {
      const parent = opener.closest('dialog');
      e.preventDefault();
      if (parent) parent.close();
      dialog.showModal();
    }
    if (near('[data-close]') || e.target.nodeName === 'DIALOG') near('dialog').close();
    if (near('[data-theme-toggle]')) {
      const dark = html.dataset.theme ? html.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
      html.dataset.theme = dark ? 'light' : 'dark';
      doc.cookie = 'theme=' + html.dataset.theme + ';path=/;max-age=31536000;samesite=lax';
    }
    $$('details[data-menu][open]').forEach(menu => { menu.open = menu.contains(e.target); });
  });
  doc.addEventListener('keydown', e => {
    const menu = e.key === 'Escape' && $('details[data-menu][open]');
    if (menu) { menu.open = false; $('summary', menu).focus(); }
  });

  /* After a refusal the summary takes the focus (GOV.UK pattern). */
  if ($('#errors')) $('#errors').focus();

  async function poll(job) {
    try {
      const reply = await fetch(job.dataset.job, { headers: { Accept: 'application/json' } }), j = await reply.json(), bar = $('progress', job);
      bar.max = j.total || 1;
      bar.value = j.done;
      if (j.text) $('[data-job-text]', job).textContent = j.text;
      if (j.done < j.total && j.state !== 'failed') { setTimeout(poll, 1500, job); return; }
      say(j.text || '');
      if (!job.dataset.then) return;
      const then = new URL(job.dataset.then, location.href);
      location.href = then;
      if (then.hash && then.pathname === location.pathname) location.reload();   /* a fragment alone loads nothing */
    } catch (_) {
      setTimeout(poll, 5000, job);
    }
  }
  $$('[data-job]').forEach(poll);

  /* The worker that this very visit installs has not seen this page: ask it to keep it, and those of the tabs. */
  const container = navigator.serviceWorker;
  if (container) addEventListener('load', async () => {
    const first = !container.controller;
    await self.calm;    /* a film that is just starting has the link to itself */
    await container.register('/sw.js').catch(() => {});
    if (first && account) (await container.ready).active.postMessage({ keep: [location.href, ...$$('.tabs a').map(a => a.href)] });
  });

  self.Firefly = ui;
})();
