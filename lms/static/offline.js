/* Lectures on this phone: whole, under a key without the signature, so that a new address finds them (sw.js answers with them).
   On the page of a lecture [data-keep] offers the sizes; [data-kept-list] lists and removes what is here.

   media-<account>  /media/-/<video>/<file>   segments, playlists, poster; master.m3u8 names only what is here
                    /media/-/<video>/kept.json   {video, title, page, bytes, choice, at}
                    the lecture's page and captions under their own addresses
   A lease (localStorage lease:<beat address>) is what the server counts offline watching against; player.js uses it. */
(() => {
  'use strict';
  if (!self.caches || !navigator.serviceWorker) return;
  const doc = document, account = doc.documentElement.dataset.account || '', NAME = 'media-' + account, DAY = 864e5;
  const say = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
  const mb = bytes => (bytes / 1e6).toFixed(1);
  const element = (tag, text, kind) => { const made = doc.createElement(tag); made.textContent = text || ''; if (kind) made.className = kind; return made; };
  const box = () => caches.open(NAME);
  const key = (video, name) => '/media/-/' + video + '/' + name;

  function keptOnes() {
    return box().then(cache => cache.keys().then(keys => Promise.all(keys.filter(one => /\/kept\.json$/.test(one.url)).map(one => cache.match(one).then(found => found.json())))));
  }
  function remove(kept) {
    return box().then(cache => cache.keys().then(keys => Promise.all(keys.filter(one => {
      const path = new URL(one.url).pathname;
      return path.indexOf(key(kept.video, '')) === 0 || path.indexOf(kept.page) === 0;
    }).map(one => cache.delete(one)))));
  }
  function lease(page) {
    return fetch(page + '/lease', { method: 'POST', credentials: 'same-origin', headers: { 'X-Account': account, Accept: 'application/json' } }).then(reply => {
      if (!reply.ok) throw new Error('status ' + reply.status);
      return reply.json();
    }).then(answer => {
      try { localStorage.setItem('lease:' + page + '/beats', JSON.stringify({ account, at: Date.now(), lease: answer.lease })); } catch (e) { /* then it is counted while online only */ }
    });
  }

  /* ---- The list ---- */
  const list = doc.querySelector('[data-kept-list]');
  function show() {
    const words = JSON.parse(list.dataset.words);
    keptOnes().then(all => {
      list.textContent = '';
      if (!all.length) { list.append(element('p', words.none, 'muted')); return; }
      const rows = element('ul', '', 'list rows');
      all.forEach(kept => {
        const row = element('li', '', 'row wrap spread'), link = element('a', kept.title), button = element('button', words.remove, 'btn small');
        link.href = kept.page;
        button.type = 'button';
        button.onclick = () => remove(kept).then(show);
        row.append(link, element('span', say(words.mb, { mb: mb(kept.bytes) }), 'num small muted'), button);
        rows.append(row);
      });
      list.append(rows, element('p', say(words.total, { mb: mb(all.reduce((sum, kept) => sum + kept.bytes, 0)) }), 'num small'));
    });
  }
  if (list) { show(); return; }

  /* ---- Keeping the lecture of this page ---- */
  const root = doc.querySelector('[data-keep]');
  if (!root) return;
  const given = root.dataset, words = JSON.parse(given.words), video = given.keep;
  const hls = doc.querySelector('video[data-hls]').dataset.hls, media = hls.replace(/[^/]*$/, ''), top = hls.split('/').pop();
  const choices = Array.from(root.querySelectorAll('[data-choice]')).map(one => ({
    name: one.dataset.choice, lines: Number(one.dataset.lines), bytes: Number(one.dataset.bytes), playlists: one.dataset.playlists.split(' ').filter(Boolean)
  }));
  const label = element('label'), select = element('select', '', 'input'), button = element('button', words.keep, 'btn small'), state = element('p', '', 'small num');
  button.type = 'button';
  state.setAttribute('role', 'status');
  choices.forEach(one => select.append(new Option(say(one.lines ? words.lines : words.sound, { lines: one.lines, mb: mb(one.bytes) }), one.name)));
  select.value = choices[Math.min(1, choices.length - 1)].name;
  label.append(element('span', words.how), select);
  root.append(label, button, state);
  root.hidden = false;

  function store(cache, address, as) {
    return cache.match(as).then(found => found ? found.blob().then(blob => blob.size) : fetch(address, { credentials: 'same-origin' }).then(reply => {
      if (!reply.ok || reply.redirected) throw new Error('status ' + reply.status);
      return reply.blob();
    }).then(blob => cache.put(as, new Response(blob, { headers: { 'Content-Type': blob.type, 'Content-Length': blob.size } })).then(() => blob.size)));
  }
  function text(name) {
    return fetch(media + name, { credentials: 'same-origin' }).then(reply => {
      if (!reply.ok) throw new Error('status ' + reply.status);
      return reply.text();
    });
  }
  /* The names in a playlist, its first part (URI="init.mp4") too. */
  const parts = playlist => playlist.split('\n').map(line => (/URI="([^"]+)"/.exec(line) || [])[1] || (line && line[0] !== '#' ? line : '')).filter(Boolean);
  /* The master with nothing in it but what is here, or players would ask for the rest. */
  function reduced(master, choice) {
    const lines = master.split('\n'), at = lines.indexOf(choice.playlists[0]), group = (/AUDIO="([^"]+)"/.exec(lines[at - 1]) || [])[1];
    return lines.filter((line, i) => i === at || i === at - 1 || (line[0] === '#' && !/^#EXT-X-(STREAM-INF|MEDIA:)/.test(line)) || (/^#EXT-X-MEDIA:/.test(line) && line.indexOf('GROUP-ID="' + group + '"') > 0)).join('\n') + '\n';
  }
  function everything(choice, cache) {
    const beside = Array.from(doc.querySelectorAll('video track')).map(track => [track.src, new URL(track.src).pathname]).concat([[media + given.poster, key(video, given.poster)]]);
    if (!choice.lines) return Promise.resolve(beside.concat([[media + given.sound, key(video, given.sound)]]));
    return Promise.all(choice.playlists.map(name => text(name).then(playlist => {
      const folder = name.split('/')[0] + '/';
      return cache.put(key(video, name), new Response(playlist, { headers: { 'Content-Type': 'application/vnd.apple.mpegurl' } })).then(() => parts(playlist).map(part => [media + folder + part, key(video, folder + part)]));
    }))).then(lists => beside.concat(...lists));
  }
  function keep(choice) {
    button.disabled = true;
    state.textContent = say(words.keeping, { percent: 0 });
    let bytes = 0;
    const tell = size => { bytes += size; state.textContent = say(words.keeping, { percent: Math.min(99, Math.floor(bytes / choice.bytes * 100)) }); };
    if (navigator.storage && navigator.storage.persist) navigator.storage.persist();
    return box().then(cache => everything(choice, cache).then(files => {
      const next = () => { const file = files.shift(); return file ? store(cache, file[0], file[1]).then(tell).then(next) : null; };
      return Promise.all([next(), next(), next()]);
    }).then(() => choice.lines ? text(top).then(master => cache.put(key(video, top), new Response(reduced(master, choice), { headers: { 'Content-Type': 'application/vnd.apple.mpegurl' } }))) : null)
      .then(() => Promise.all([given.hlsjs, given.streams].map(one => fetch(one)))).then(() => lease(given.page))
      .then(() => fetch(given.page, { credentials: 'same-origin' })).then(page => cache.put(given.page, page))
      .then(() => cache.put(key(video, 'kept.json'), new Response(JSON.stringify({ video, title: given.title, page: given.page, bytes, choice: choice.name, at: Date.now() }), { headers: { 'Content-Type': 'application/json' } }))))
      .then(look, problem => { state.textContent = problem.name === 'QuotaExceededError' ? words.full : words.broken; })
      .then(() => { button.disabled = false; });
  }
  function look() {
    return keptOnes().then(all => {
      const kept = all.filter(one => one.video === video)[0];
      label.hidden = !!kept;
      button.textContent = kept ? words.remove : words.keep;
      state.textContent = kept ? say(words.kept, { mb: mb(kept.bytes) }) : '';
      button.onclick = () => kept ? remove(kept).then(() => { try { localStorage.removeItem('lease:' + given.page + '/beats'); } catch (e) { /* none there */ } }).then(look) : keep(choices.filter(one => one.name === select.value)[0]);
      if (!kept || !navigator.onLine) return;
      let held = null;
      try { held = JSON.parse(localStorage.getItem('lease:' + given.page + '/beats')); } catch (e) { /* a new one */ }
      if (!held || held.account !== account || Date.now() - held.at > DAY) lease(given.page).catch(() => {});    /* two weeks from today again */
    });
  }
  look();
})();
