/* The durable outbox, shared by pages and the service worker. delivery.js sends the forms that it holds.

   1. A form or an exam answer is written to IndexedDB first and sent afterwards.
   2. Every item carries a UUID made here (`client_uuid`), so the server can tell a repetition from a second act.
   3. An item leaves the box only when the server has it: 2xx, or 409 with the code "duplicate". Any other 4xx parks it with
      the reason for the person to decide. 401 stops the box and keeps everything. Nothing is dropped by time or by count.
   4. One sender at a time over all tabs and the worker (Web Locks); the server deduplicates all the same.
   5. An item belongs to the account that made it and is sent only while that account is signed in on this device.

   An item: {id, kind, account, url, many, fields: [[name, value]…], label, page, form, at, tries, state, status, why}.
   many: address that takes several such items in one delivery and answers for each; without it they go one by one.
   state is "queued" or "attention"; that it is being sent is told by message only, since a crash must leave it queued.
   An exam operation: {sitting, seq, device, slot, body, mono_ms}, sent in batches in the order of seq. The newest answer of each
   slot is kept beside them ("heads"): a page reloaded without a connection is an older copy and must not show less. */
(global => {
  'use strict';
  const PATIENCE_MS = 20000, BATCH = 200;
  const listeners = [];
  let opening = null;

  /* ---- IndexedDB ---- */
  function open() {
    opening = opening || new Promise((resolve, reject) => {
      const request = indexedDB.open('firefly', 1);
      request.onupgradeneeded = () => {
        const db = request.result;
        db.createObjectStore('outbox', { keyPath: 'id' });
        db.createObjectStore('ops', { keyPath: ['sitting', 'seq'] });
        db.createObjectStore('heads', { keyPath: ['sitting', 'slot'] });
        db.createObjectStore('kv');
      };
      request.onsuccess = () => {
        const db = request.result;
        db.onversionchange = () => { db.close(); opening = null; };
        db.onclose = () => { opening = null; };
        resolve(db);
      };
      request.onerror = () => { opening = null; reject(request.error); };
    });
    return opening;
  }

  /* Run `work(...stores)` in one transaction; resolves after the commit with the result of the request that work returns. */
  async function tx(names, mode, work) {
    const db = await open();
    return new Promise((resolve, reject) => {
      const t = db.transaction(names, mode, { durability: 'strict' });
      const request = work(...names.map(name => t.objectStore(name)));
      t.oncomplete = () => resolve(request && request.result);
      t.onabort = t.onerror = () => reject(t.error);
    });
  }
  const get = key => tx(['kv'], 'readonly', kv => kv.get(key));
  const set = (key, value) => tx(['kv'], 'readwrite', kv => (value == null ? kv.delete(key) : kv.put(value, key)));

  /* ---- Messages between tabs and the worker ---- */
  const channel = global.BroadcastChannel ? new BroadcastChannel('firefly') : null;
  const hear = message => listeners.forEach(listener => listener(message));
  if (channel) channel.onmessage = e => hear(e.data);
  function say(type, more) {
    const message = Object.assign({ type }, more);
    if (channel) channel.postMessage(message);
    hear(message);
  }

  function uuid() {
    if (crypto.randomUUID) return crypto.randomUUID();
    const b = crypto.getRandomValues(new Uint8Array(16));
    b[6] = b[6] & 15 | 64;
    b[8] = b[8] & 63 | 128;
    return Array.from(b, (x, i) => ([4, 6, 8, 10].includes(i) ? '-' : '') + (x + 256).toString(16).slice(1)).join('');
  }

  /* One at a time under a name; without Web Locks the server's deduplication has to do. */
  const alone = (name, act) => (navigator.locks ? navigator.locks.request('firefly-' + name, act) : act());

  function wakeLater() {
    const container = navigator.serviceWorker;
    if (container && global.SyncManager) container.ready.then(r => r.sync.register('outbox')).catch(() => {});
  }

  async function post(url, body, headers, keepalive) {
    const stop = new AbortController(), timer = setTimeout(() => stop.abort(), PATIENCE_MS);
    Object.assign(headers, { 'X-Requested-With': 'lms', Accept: 'application/json, text/html;q=0.5' });
    try {
      return await fetch(url, { method: 'POST', credentials: 'same-origin', headers, body, keepalive, signal: stop.signal });
    } finally {
      clearTimeout(timer);
    }
  }
  const signedOut = reply => reply.status === 401 || reply.redirected && new URL(reply.url).pathname === '/sign-in';

  /* ---- Forms ---- */
  async function put(item) {
    Object.assign(item, { id: item.id || uuid(), at: Date.now(), tries: 0, state: 'queued' });
    await tx(['outbox'], 'readwrite', box => box.put(item));
    say('queued', { id: item.id });
    wakeLater();
    return item;
  }
  const all = () => tx(['outbox'], 'readonly', box => box.getAll());
  const find = id => tx(['outbox'], 'readonly', box => box.get(id));
  async function remove(id, why) {
    await tx(['outbox'], 'readwrite', box => box.delete(id));
    say(why || 'removed', { id });
  }
  const change = (id, values) => tx(['outbox'], 'readwrite', box => {
    const request = box.get(id);
    request.onsuccess = () => { if (request.result) box.put(Object.assign(request.result, values)); };
    return request;
  });
  /* Take back an item that has certainly not been sent. False: the server may have it. */
  const withdraw = id => alone('outbox', async () => {
    const item = await find(id);
    if (!item || item.tries) return false;
    await remove(id);
    return true;
  });

  /* Once more, from the beginning. */
  const retry = id => change(id, { state: 'queued', tries: 0, status: 0, why: '' });

  /* ---- Exam operations ---- */
  async function addOp(sitting, slot, body) {
    const op = { sitting, slot, body, mono_ms: Math.round(performance.now()) };
    await tx(['kv', 'ops', 'heads'], 'readwrite', (kv, ops, heads) => {
      const device = kv.get('device'), about = kv.get('sitting:' + sitting), last = kv.get('seq:' + sitting);
      last.onsuccess = () => {                     /* counted inside the transaction: two tabs never share a number */
        op.device = device.result || uuid();
        op.seq = (last.result || 0) + 1;
        kv.put(op.device, 'device');
        kv.put(op.seq, 'seq:' + sitting);
        ops.put(op);
        if (slot !== null && !body.lock && !('flag' in body)) heads.put({ sitting, slot, body, seq: op.seq, epoch: about.result.epoch });
      };
    });
    wakeLater();
    return op;
  }
  const range = (sitting, to) => IDBKeyRange.bound([sitting, 0], [sitting, to]);
  const opsOf = sitting => tx(['ops'], 'readonly', ops => ops.getAll(range(sitting, Infinity)));
  const headsOf = sitting => tx(['heads'], 'readonly', heads => heads.getAll(range(sitting, Infinity)));
  const forgetHeads = sitting => tx(['heads'], 'readwrite', heads => heads.delete(range(sitting, Infinity)));

  async function postOps(url, epoch, ops, keepalive) {
    const plain = ops.map(o => ({ device: o.device, seq: o.seq, slot: o.slot, body: o.body, mono_ms: o.mono_ms }));
    const reply = await post(url, JSON.stringify({ epoch, ops: plain }), { 'Content-Type': 'application/json' }, keepalive);
    const status = signedOut(reply) ? 401 : reply.status;
    if (status !== 409 && (status === 401 || !reply.ok)) throw Object.assign(new Error('ops'), { status });
    return reply.json();
  }

  /* Send a sitting's operations (also none: a heartbeat). Resolves with the server's answer, null when they are not ours to send.
     What the server has written down is forgotten: up to `acked` without a gap, and the rejected ones as rejected. */
  const sendOps = sitting => alone('ops-' + sitting, async () => {
    const about = await get('sitting:' + sitting);
    if (!about || about.account !== await get('account')) return null;
    const answer = await postOps(about.url, about.epoch, (await opsOf(sitting)).slice(0, BATCH));
    await tx(['ops', 'heads'], 'readwrite', (ops, heads) => {
      (answer.rejected || []).forEach(r => {
        ops.get([sitting, r.seq]).onsuccess = e => { if (e.target.result) heads.delete([sitting, e.target.result.slot || 0]); };
        ops.delete([sitting, r.seq]);
      });
      if (answer.acked > 0) ops.delete(range(sitting, answer.acked));
    });
    say('ops', { sitting, answer });
    return answer;
  });

  /* All sittings' operations, for the worker's background sync. */
  async function flushOps() {
    const keys = await tx(['ops'], 'readonly', ops => ops.getAllKeys());
    return Promise.all(Array.from(new Set(keys.map(key => key[0])), sendOps));
  }

  global.Outbox = {
    put, all, find, remove, change, withdraw, retry, get, set, uuid, alone, post, signedOut, say,
    addOp, opsOf, headsOf, forgetHeads, sendOps, postOps, flushOps,
    on: listener => listeners.push(listener)
  };
})(self);
