/* Delivers the forms that wait in the outbox, on pages that have forms and in the service worker. Papers and films, which need every
   byte of a first load, leave it to the worker (app.js). */
(global => {
  'use strict';
  const SERVER_TRIES = 8, CONFLICT_TRIES = 3, TOGETHER = 20;
  const box = global.Outbox, { all, remove, change, get, alone, post, signedOut, say } = box;

  /* Why the server refused, in its own words: problem+json, or the sentences of the page's error summary. */
  async function reason(reply) {
    const text = await reply.text().catch(() => '');
    try {
      const problem = JSON.parse(text);
      return { code: problem.code || '', why: problem.detail || '' };
    } catch (_) {
      const found = [], pattern = /data-error>([^<]+)</g, signs = { amp: '&', lt: '<', gt: '>', '#34': '"', '#39': '’' };
      for (let match; (match = pattern.exec(text));) found.push(match[1].replace(/&([\w#]+);/g, (all, name) => signs[name] || all));
      return { code: '', why: found.join(' ') };
    }
  }

  /* Deliver items together, or one alone. True: go on with the next; false: stop for now; null: they have to go one by one. */
  async function deliver(items) {
    const one = items.length < 2 && items[0], { account, many } = items[0];
    const body = one ? new URLSearchParams(one.fields.concat([['client_uuid', one.id]])).toString()
      : JSON.stringify({ entries: items.map(item => ({ client_uuid: item.id, fields: item.fields })) });
    const headers = { 'Content-Type': one ? 'application/x-www-form-urlencoded;charset=UTF-8' : 'application/json', 'X-Account': account };
    if (one) headers['X-Client-Id'] = one.id;
    const left = navigator.onLine === false ? 0 : 1;                      /* without any network it cannot leave: Undo stays certain */
    for (const item of items) {
      item.tries += left;
      say('sending', { id: item.id });
      await change(item.id, { tries: item.tries });
    }
    let reply, answers = [];
    try {
      reply = await post(one ? one.url : many, body, headers, body.length < 50000);
      if (!one && reply.ok) answers = (await reply.json()).answers;
    } catch (_) {
      say('offline');
      return false;
    }
    if (signedOut(reply)) { say('sign-in'); return false; }
    if (one) return settle(one, reply.status, reply.ok, () => reason(reply));
    if (!reply.ok) return again(items[0], reply.status) ? false : null;
    for (const item of items) {
      const answer = answers.find(found => found.client_uuid === item.id);
      if (!answer) return null;
      await settle(item, answer.status, answer.status < 300, () => ({ code: answer.code, why: answer.detail }));
    }
    return true;
  }

  /* Whether the server only asks for patience. */
  function again({ id, tries }, status) {
    const busy = [408, 425, 429].includes(status) || status >= 500 && tries < SERVER_TRIES;
    if (busy) say('busy', { id });
    return busy;
  }

  /* What the server said of one item. True: go on with the next. */
  async function settle(item, status, ok, reasonOf) {
    const { id, tries } = item;
    if (ok) { await remove(id, 'sent'); return true; }
    if (again(item, status)) return false;
    const { code, why } = await reasonOf();
    if (status === 409 && code === 'duplicate') { await remove(id, 'sent'); return true; }
    if (status === 409 && code === 'conflict' && tries < CONFLICT_TRIES) return true;
    await change(id, { state: 'attention', status, why: why.slice(0, 500) });
    say('attention', { id });
    return true;
  }

  /* Send what the signed-in account has waiting, oldest first. Resolves with the number of its items still here. */
  const flush = () => alone('outbox', async () => {
    const account = await get('account');
    for (let most = TOGETHER; ;) {
      const mine = (await all()).filter(item => account && item.account === account);
      const next = mine.filter(item => item.state === 'queued').sort((a, b) => a.at - b.at).slice(0, most);
      const other = next.findIndex(item => !item.many || item.many !== next[0].many);
      const sent = next.length > 0 && await deliver(other < 0 ? next : next.slice(0, other || 1));
      if (sent === null) most = 1;
      else if (!sent) return mine.length;
    }
  });

  box.flush = flush;
})(self);
