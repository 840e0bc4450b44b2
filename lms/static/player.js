/* The lecture player: native controls, better streams where the browser can, and honest evidence of what was played.
   Without this script the <source> of the page plays as it is; nothing is counted then, and the page says so.

   What the template gives:
     <video controls playsinline preload="none" poster data-beat=URL data-session=ID data-hls=URL data-hlsjs=URL
            [data-audio=URL] [data-resume=SECONDS] [data-resume-at=UNIX SECONDS]> <source …> <track …> </video>
     [data-player]        empty, hidden: filled with quality, speed and sound-only (controls.js)
     [data-watched]       <progress> or SVG <rect width="…%">: the bar that the server counts
     [data-watched-text]  the same in words;  [data-when-complete]: shown from then on;  [data-watch-state]: where evidence is

   Evidence is everything played in this session so far, as intervals, sent every 15 s while playing and when the page goes.
   Each report holds the earlier ones, so a lost one costs nothing, and the newest is kept in localStorage until the server
   has it: it outlives a reload, a crash and days without a network. It belongs to the account that made it. */
(() => {
  'use strict';
  const doc = document, $ = selector => doc.querySelector(selector);
  const video = $('video[data-beat]');
  if (!video) return;
  const given = video.dataset, account = doc.documentElement.dataset.account || '';
  const texts = JSON.parse(($('#texts, #t') || {}).textContent || '{}');
  const say = (key, values) => (texts[key] || '').replace(/%\((\w+)\)s/g, (_, name) => values[name]);
  const BEAT_MS = 15000, PLACE = 'place:' + given.beat;

  /* Private windows may refuse storage; then evidence lives as long as the page. */
  const store = {
    get(key) { try { return localStorage.getItem(key); } catch (e) { return null; } },
    set(key, text) { try { localStorage.setItem(key, text); } catch (e) { /* full or forbidden */ } },
    drop(key, text) { try { if (localStorage.getItem(key) === text) localStorage.removeItem(key); } catch (e) { /* as above */ } },
    keys() { try { return Object.keys(localStorage); } catch (e) { return []; } }
  };
  const parse = text => { try { return JSON.parse(text); } catch (e) { return null; } };

  /* A lecture kept on this phone is counted under the lease that was given for it (offline.js), as long as it is this version's. */
  const lease = parse(store.get('lease:' + given.beat)), version = token => token.split('.')[2];
  const session = lease && lease.account === account && version(lease.lease) === version(given.session) ? lease.lease : given.session;
  const MINE = 'watch:' + session;

  /* ---- What was played; a saved page that is opened again goes on with the report it had come to ---- */
  const before = parse(store.get(MINE)) || {}, begun = before.body || { intervals: [], seq: 0 };
  let played = begun.intervals, seq = begun.seq, again = [], noted = JSON.stringify(played), newest = before.body && !before.sent ? store.get(MINE) : null, busy = false, rejected = false;

  function union(a, b) {
    const out = [];
    a.concat(b).sort((x, y) => x[0] - y[0]).forEach(span => {
      const last = out[out.length - 1];
      if (last && span[0] <= last[1] + 0.05) last[1] = Math.max(last[1], span[1]);
      else out.push(span.slice());
    });
    return out;
  }
  /* What is played a second time on this page, for the map of what is watched again: a run of the film laid over what had been
     played when it began. It proves nothing and is not kept over a reload. */
  let run = null;
  function rerun(ends) {
    if (run && !video.seeking) {
      const end = video.currentTime;
      run.known.forEach(span => {
        const from = Math.max(span[0], run.start), to = Math.min(span[1], end);
        if (to > from) again = union(again, [[Math.round(from * 100) / 100, Math.round(to * 100) / 100]]);
      });
    }
    if (ends) run = null;
    else if (!run) run = { start: video.currentTime, known: played.map(span => span.slice()) };
  }
  /* The element forgets what it played whenever it gets another stream; we do not. */
  function look() {
    const round = t => Math.round(t * 100) / 100, spans = [];
    for (let i = 0; i < video.played.length; i++) spans.push([round(video.played.start(i)), round(video.played.end(i))]);
    played = union(played, spans.filter(span => span[1] > span[0]));
  }

  /* Write down what is new; the text to send, or null if nothing is. */
  function note() {
    look();
    const what = JSON.stringify(played.concat(again));
    if (rejected || !played.length || what === noted) return null;
    noted = what;
    seq += 1;
    const body = { session, seq, intervals: played, again: again.slice(0, 500), position: Math.round(video.currentTime * 10) / 10, rate: video.playbackRate };
    newest = JSON.stringify({ url: given.beat, account, at: Date.now(), body });
    store.set(MINE, newest);
    store.set(PLACE, JSON.stringify({ t: body.position, at: Date.now() }));
    return newest;
  }

  /* Resolves to the server's answer; a refusal that repeating cannot cure is marked. */
  function post(kept) {
    return fetch(kept.url, {
      method: 'POST', credentials: 'same-origin', keepalive: true,
      headers: { 'Content-Type': 'application/json', 'X-Requested-With': 'fetch', Accept: 'application/json' },
      body: JSON.stringify(kept.body)
    }).then(reply => {
      if (reply.ok && !reply.redirected) return reply.json();
      const problem = new Error('status ' + reply.status);
      problem.final = [400, 404, 410, 422].includes(reply.status);
      throw problem;
    });
  }
  function beat() {
    const text = note() || newest;
    if (!text || busy) return;
    busy = true;
    post(parse(text)).then(reply => {
      busy = false;
      if (reply.acked_seq >= parse(text).body.seq && store.get(MINE) === text) store.set(MINE, JSON.stringify(Object.assign(parse(text), { sent: true })));
      if (newest === text) newest = null;
      show(reply);
    }, problem => {
      busy = false;
      rejected = !!problem.final;
      if (rejected) { store.drop(MINE, text); newest = null; }
      state(rejected ? 'watch_refused' : 'watch_kept');
    });
  }
  /* The page may be gone the next moment: no answer can be awaited, so the note stays until a later page has sent it again. */
  let left = 0;
  function leave() {
    if (Date.now() - left < 1000) return;    /* leaving is told twice: the page hides, then goes */
    left = Date.now();
    const text = note() || newest;
    if (text && navigator.sendBeacon) navigator.sendBeacon(given.beat, new Blob([JSON.stringify(parse(text).body)], { type: 'application/json' }));
  }
  function state(key) {
    const line = $('[data-watch-state]');
    if (line) line.textContent = say(key, {});
  }
  function show(reply) {
    const bar = $('[data-watched]'), words = $('[data-watched-text]'), done = $('[data-when-complete]');
    if (bar && bar.tagName === 'PROGRESS') { bar.max = reply.duration_s; bar.value = reply.watched_s; }
    else if (bar) bar.setAttribute('width', reply.percent + '%');
    if (words) words.textContent = say(reply.complete ? 'watched_all' : 'watched', { percent: reply.percent });
    if (done && reply.complete) done.hidden = false;
    state('watch_counted');
  }

  ['pause', 'ended'].forEach(name => video.addEventListener(name, beat));
  let looked = 0;
  ['pause', 'seeking', 'emptied'].forEach(name => video.addEventListener(name, () => rerun(true)));
  video.addEventListener('timeupdate', () => {
    look();
    if (!video.paused && !video.seeking) rerun();
    if (Math.abs(video.currentTime - looked) < 5) return;
    looked = video.currentTime;    /* kept every five seconds of film, so that even a crash loses no more */
    note();
  });
  setInterval(() => { if (!video.paused || newest) beat(); }, BEAT_MS);
  addEventListener('pagehide', leave);
  doc.addEventListener('visibilitychange', () => { if (doc.hidden) leave(); else if (newest) beat(); });
  addEventListener('online', () => { if (newest) beat(); });

  /* ---- Where to go on: the newer of what this device and what the server remember ---- */
  function resumeAt() {
    const here = parse(store.get(PLACE)) || {}, server = Number(given.resume) || 0;
    const t = here.at > (Number(given.resumeAt) || 0) * 1000 ? here.t - 3 : server;
    return t > 5 && !(video.duration && t > video.duration - 10) ? t : 0;
  }
  function goTo(t) {
    if (!t) return;
    if (video.readyState) video.currentTime = t;
    else video.addEventListener('loadedmetadata', () => { if (!video.duration || t < video.duration - 1) video.currentTime = t; }, { once: true });
  }

  /* ---- Streams. The page names the segments of the cheapest rendition, so the first picture waits for no playlist and no
     library: they go straight into MediaSource (`boot`). Where the link is quick, hls.js takes over the same MediaSource
     without a jump (streams.js); on a slow link it never costs a byte. Without MediaSource: the browser's own HLS, else the <source>. ---- */
  const choice = parse(store.get('player')) || {};
  const mse = self.ManagedMediaSource || self.MediaSource, map = mse && parse(given.boot), saving = (navigator.connection || {}).saveData;
  const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
  const AHEAD_S = 90, TRY_MS = 40000, QUICK = 4e5, QUICK_KEPT = 1.6e5;    /* bits per second: with the library to load, with it at hand */
  let hls = null, engine = null, listening = false, loading = null, handing = false, atHand = false;

  function boot(tracks, at) {
    const source = new mse();
    let stopped = false, rate = 0;
    /* One file, until it is here: a link that breaks costs nothing but time. */
    function get(name) {
      const one = {};
      one.begun = new Promise(begun => {
        const turn = wait => {
          const limit = new AbortController(), timer = setTimeout(() => limit.abort(), TRY_MS);
          let since = 0;
          one.drop = () => { one.dropped = true; limit.abort(); };
          return fetch(map.at + name, { signal: limit.signal }).then(reply => {
            if (!reply.ok) throw Object.assign(new Error('status ' + reply.status), { final: reply.status < 500 });
            since = performance.now();
            begun();
            return reply.arrayBuffer();
          }).then(bytes => {
            clearTimeout(timer);
            if (bytes.byteLength > 4096) rate = bytes.byteLength * 8e3 / Math.max(1, performance.now() - since);
            return bytes;
          }).catch(problem => {
            clearTimeout(timer);
            if (stopped || one.dropped || problem.final) throw problem;
            return pause(wait).then(() => turn(Math.min(4000, wait * 2)));
          });
        };
        one.bytes = turn(500);
        one.bytes.catch(() => {});
      });
      return one;
    }
    /* To where a track has come without a gap from where the film stands. */
    function reach(track) {
      const now = video.currentTime, have = track.buffer ? track.buffer.buffered : [];
      for (let i = 0; i < have.length; i++) if (have.start(i) <= now + 0.3 && have.end(i) > now) return have.end(i);
      return now;
    }
    const settle = buffer => new Promise(done => { if (buffer.updating) buffer.addEventListener('updateend', done, { once: true }); else done(); });
    async function append(track, bytes) {
      await settle(track.buffer);
      if (stopped) return;
      track.buffer.appendBuffer(bytes);
      await settle(track.buffer);
    }
    async function run(track) {
      const place = t => t < track.short * 2 ? Math.floor(t / 2) : track.short + Math.floor((t - track.short * 2) / track.step);
      const init = get(track.folder + 'init.mp4');
      let asked = {}, wanted = -1, last = -1, from = 0, begun = false;
      const ask = n => asked[n] || (asked[n] = get(track.folder + ('000' + n).slice(-4) + '.m4s'));
      while (!stopped) {
        const to = reach(track);
        let n = place(to + 0.1);
        if (n === last && to - from < 0.05 && to >= from) n += 1;
        track.done = n >= track.count || to > map.duration - 0.2;
        if (track.done || to - video.currentTime > AHEAD_S) {
          if (source.readyState === 'open' && tracks.every(one => one.done && !one.buffer.updating)) source.endOfStream();
          await pause(250);
          continue;
        }
        Object.keys(asked).forEach(key => { if (Number(key) !== n && Number(key) !== n + 1) { asked[key].drop(); delete asked[key]; } });
        wanted = n;
        const one = ask(n);
        one.begun.then(() => { if (wanted === n && n + 1 < track.count && !stopped) ask(n + 1); });
        const moved = new Promise(done => { track.moved = done; }), bytes = await Promise.race([one.bytes, moved]);
        if (!bytes || stopped) continue;
        if (!begun) { await append(track, await init.bytes); begun = true; }
        from = reach(track);
        last = n;
        await append(track, bytes);
        delete asked[n];
        hand(false);
      }
    }
    const left = () => Math.min(...tracks.map(reach)) - video.currentTime;
    const seeking = () => tracks.forEach(track => { if (track.moved && reach(track) === video.currentTime) track.moved(); });
    video.addEventListener('seeking', seeking);
    source.addEventListener('sourceopen', () => {
      source.duration = map.duration;
      tracks.forEach(track => { track.buffer = source.addSourceBuffer(track.container + ';codecs="' + track.codec + '"'); });
      const go = () => Promise.all(tracks.map(run)).catch(() => { if (!stopped) plain(video.currentTime); });
      if (video.paused) video.addEventListener('play', go, { once: true }); else go();    /* a page that is only opened costs nothing */
    }, { once: true });
    const stop = () => { stopped = true; video.removeEventListener('seeking', seeking); };
    video.disableRemotePlayback = !!self.ManagedMediaSource;
    video.src = URL.createObjectURL(source);
    if (at) video.currentTime = at;
    return {
      left, stop,
      /* Whether the rest is worth another player, and this one has enough to go on with meanwhile. */
      isQuick: limit => rate > limit && left() > 5 && !tracks.every(track => track.done),
      /* Everything as it stands, for what takes over. */
      give: () => {
        stop();
        return Promise.all(tracks.map(track => settle(track.buffer))).then(() => source.readyState === 'open' && {
          media: video, mediaSource: source,
          tracks: tracks.reduce((all, track) => Object.assign(all, { [track.kind]: { id: track.kind === 'video' ? 'main' : 'audio', buffer: track.buffer, container: track.container, codec: track.codec, levelCodec: track.codec } }), {})
        });
      }
    };
  }
  /* The library, and what drives it, come late or never. */
  function library() {
    const load = src => new Promise((resolve, reject) => doc.head.append(Object.assign(doc.createElement('script'), { src, onload: resolve, onerror: () => { loading = null; reject(); } })));
    loading = loading || Promise.all([given.hlsjs, given.streams].map(load));
    return loading;
  }
  const film = self.Film = {
    video, given, choice, say, plain, store, parse, account, post, show, MINE, button: (label, act) => button(label, act),
    choose(level) {
      choice.quality = level;
      if (hls) hls.nextLevel = level;
      else if (level > 0) hand(true);
    },
    keep: () => store.set('player', JSON.stringify(choice))
  };
  /* hls.js takes the film over where the link is quick, or where a picture was chosen that only it can bring. */
  function hand(chosen) {
    const boots = engine;
    if (!boots || listening || handing || hls || !(chosen || !saving && boots.isQuick(atHand ? QUICK_KEPT : QUICK))) return;
    handing = true;
    library().then(() => {
      if (engine === boots) return boots.give().then(all => {
        if (engine !== boots) return;
        engine = null;
        hls = self.Streams(film, video.currentTime, all);
      });
    }).catch(() => {}).then(() => { handing = false; });
  }
  if (self.caches && given.hlsjs) caches.match(given.hlsjs).then(found => { atHand = !!found; }, () => {});
  function unstream() {
    look();
    if (hls) hls.destroy();
    if (engine) engine.stop();
    hls = engine = null;
  }
  /* The whole small file of the page. */
  function plain(at) {
    const playing = !video.paused;
    unstream();
    video.removeAttribute('src');
    video.load();
    goTo(at);
    if (playing) video.play().catch(() => {});
  }
  /* Kept on this phone, or a sharper picture is wanted: then hls.js at once. */
  function begin(at) {
    const kept = !map || session !== given.session;
    if (listening && kept) { video.src = given.audio; goTo(at); }
    else if (!listening && (kept || choice.quality > 0 && !saving)) library().then(() => { hls = self.Streams(film, at); }).catch(() => plain(at));
    else engine = boot(parse(given.boot).tracks.filter(track => !listening || track.kind === 'audio'), at);
  }
  function sound(on) {
    const at = video.currentTime, playing = !video.paused, rate = video.playbackRate;
    listening = on;
    unstream();
    film.listening = on;
    if (film.quality) film.quality.disabled = on;
    video.removeAttribute('src');
    if (!mse && given.hls) { video.src = on ? given.audio : given.hls; goTo(at); } else begin(at);
    video.playbackRate = rate;
    if (playing) video.play().catch(() => {});
  }

  /* What wants no library and may be wanted first on a slow link; the rest of the bar comes later (controls.js). */
  const bar = $('[data-player]');
  function button(label, act) {
    const made = doc.createElement('button');
    Object.assign(made, { type: 'button', className: 'btn small', textContent: say(label, {}), onclick: () => act(made) });
    bar.append(made);
    return made;
  }
  if (bar && given.audio) {
    button('sound_only', made => { sound(!listening); made.setAttribute('aria-pressed', String(listening)); }).setAttribute('aria-pressed', 'false');
    bar.hidden = false;
  }
  if (choice.rate) video.defaultPlaybackRate = video.playbackRate = choice.rate;

  /* A film whose plain file already shows something is left in peace. */
  const start = resumeAt();
  if (given.hls && !mse && video.canPlayType('application/vnd.apple.mpegurl')) {
    video.src = given.hls;
    goTo(start);
  } else if (given.hls && mse && video.readyState < 2) {
    const playing = !video.paused;
    film.levels = map && map.levels;
    begin(start);
    if (playing) video.play().catch(() => {});
  } else goTo(start);

  /* What is not needed for the first picture comes behind it, and not while a slow link still has to bring the next seconds. */
  const loaded = new Promise(resolve => { if (doc.readyState === 'complete') resolve(); else addEventListener('load', resolve); });
  const rest = tries => (tries && !video.paused && engine && engine.left() < 8 ? pause(1000).then(() => rest(tries - 1)) : null);
  self.calm = loaded.then(() => rest(40));
  self.calm.then(() => given.late.split(' ').forEach(src => doc.head.append(Object.assign(doc.createElement('script'), { src }))));
})();
