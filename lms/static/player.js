/* The lecture player: native controls, better streams where the browser can, and honest evidence of what was played.
   Without this script the <source> of the page plays as it is; nothing is counted then, and the page says so.

   What the template gives:
     <video controls playsinline preload="none" poster data-beat=URL data-session=ID data-hls=URL data-hlsjs=URL
            [data-audio=URL] [data-resume=SECONDS] [data-resume-at=UNIX SECONDS]> <source …> <track …> </video>
     [data-player]        empty, hidden: filled with quality, speed and sound-only
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
  const BEAT_MS = 15000, KEPT_DAYS = 60, PLACE = 'place:' + given.beat;

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
  /* What earlier pages could not send. Another person's evidence waits until that person is back. */
  function flush() {
    return store.keys().filter(key => key.startsWith('watch:') && key !== MINE).reduce((before, key) => before.then(() => {
      const text = store.get(key), kept = parse(text);
      const days = kept && kept.sent && key.split('.').length < 5 ? 1 : KEPT_DAYS;
      if (!kept || Date.now() - kept.at > days * 864e5) return store.drop(key, text);
      if (kept.sent) return null;
      if (kept.account !== account) return null;
      return post(kept).then(reply => {
        if (reply.acked_seq >= kept.body.seq) store.drop(key, text);
        if (kept.url === given.beat) show(reply);
      }, problem => { if (problem.final) store.drop(key, text); });
    }), Promise.resolve());
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
  addEventListener('online', () => { flush(); if (newest) beat(); });
  flush();

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

  /* ---- Streams: hls.js wherever the browser has MediaSource, its own HLS otherwise, the <source> as the last resort ---- */
  const retry = { maxNumRetry: 60, retryDelayMs: 500, maxRetryDelayMs: 4000 };
  const patience = { default: { maxTimeToFirstByteMs: 20000, maxLoadTimeMs: 120000, timeoutRetry: retry, errorRetry: retry } };
  const TUNED = {    /* measured at 64 to 400 kb/s: start at the cheapest, never burn 60 MB of a phone's data */
    startLevel: 0, abrEwmaDefaultEstimate: 60000, testBandwidth: false, startFragPrefetch: true,
    maxBufferLength: 90, maxMaxBufferLength: 600, maxBufferSize: 6e6, abrBandWidthFactor: 0.8, abrBandWidthUpFactor: 0.6,
    fragLoadPolicy: patience, playlistLoadPolicy: patience, manifestLoadPolicy: patience,
    enableWorker: false    /* a worker from a blob is not allowed here */
  };
  const choice = parse(store.get('player')) || {};
  const remember = () => store.set('player', JSON.stringify(choice));
  const mse = self.ManagedMediaSource || self.MediaSource;
  let hls = null, listening = false, loading = null, quality = null;

  function library() {
    loading = loading || new Promise((resolve, reject) => {
      const script = doc.createElement('script');
      script.src = given.hlsjs;
      script.onload = resolve;
      script.onerror = () => { loading = null; reject(new Error('hls.js')); };
      doc.head.append(script);
    });
    return loading;
  }
  function stream(at) {
    if (!mse || !self.Hls || !self.Hls.isSupported()) return;
    hls = new self.Hls(Object.assign({ startPosition: at || -1, autoStartLoad: false }, TUNED));
    const started = () => { if (hls) hls.startLoad(at || -1); };
    hls.on(self.Hls.Events.MANIFEST_PARSED, () => {
      offer(hls.levels);
      if (video.preload === 'none' && video.paused) video.addEventListener('play', started, { once: true });
      else started();
    });
    hls.on(self.Hls.Events.ERROR, (_, problem) => {
      if (!problem.fatal) return;
      if (problem.type === self.Hls.ErrorTypes.MEDIA_ERROR && !hls.mended) { hls.mended = true; hls.recoverMediaError(); return; }
      plain(video.currentTime);
    });
    hls.loadSource(given.hls);
    hls.attachMedia(video);
  }
  function unstream() {
    look();
    if (hls) { hls.destroy(); hls = null; }
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
  function sound(on) {
    const at = video.currentTime, playing = !video.paused, rate = video.playbackRate;
    listening = on;
    unstream();
    if (quality) quality.disabled = on;
    if (on) {
      video.src = given.audio;
      goTo(at);
    } else if (self.Hls && mse) {
      video.removeAttribute('src');
      video.load();
      stream(at);
    } else if (!mse && given.hls) { video.src = given.hls; goTo(at); } else plain(at);
    video.playbackRate = rate;
    if (playing) video.play().catch(() => {});
  }

  /* ---- The bar under the film ---- */
  const bar = $('[data-player]');
  function select(label, options, current, act) {
    const field = doc.createElement('label'), list = doc.createElement('select'), name = doc.createElement('span');
    name.textContent = label;
    options.forEach(([value, text]) => list.append(new Option(text, value, false, String(value) === String(current))));
    list.onchange = () => act(list.value);
    field.append(name, list);
    bar.append(field);
    return list;
  }
  function offer(levels) {
    const megabytes = level => Math.round((level.averageBitrate || level.bitrate) * 600 / 8e5) / 10;
    const word = i => say(i === 0 ? 'quality_low' : i === levels.length - 1 ? 'quality_high' : 'quality_middle', {});
    const wanted = levels[choice.quality] ? choice.quality : -1;
    if (wanted >= 0) { hls.startLevel = wanted; hls.loadLevel = wanted; }
    if (!bar || quality) return;
    const options = levels.map((level, i) => [i, say('quality_mb', { name: word(i), lines: Math.min(level.height, level.width), mb: megabytes(level) })]);
    quality = select(say('quality', {}), [[-1, say('quality_auto', {})]].concat(options), wanted, value => {
      choice.quality = Number(value);
      remember();
      if (hls) hls.nextLevel = choice.quality;
    });
    bar.prepend(quality.parentNode);
  }
  if (bar) {
    const speed = [0.5, 0.75, 1, 1.25, 1.5, 2].map(rate => [rate, rate + ' ×']);
    select(say('speed', {}), speed, choice.rate || 1, value => {
      choice.rate = video.defaultPlaybackRate = video.playbackRate = Number(value);
      remember();
    });
    if (choice.rate) video.defaultPlaybackRate = video.playbackRate = choice.rate;
    if (given.audio) {
      const button = doc.createElement('button');
      button.type = 'button';
      button.className = 'btn small';
      button.textContent = say('sound_only', {});
      button.setAttribute('aria-pressed', 'false');
      button.onclick = () => { sound(!listening); button.setAttribute('aria-pressed', String(listening)); };
      bar.append(button);
    }
    if (doc.pictureInPictureEnabled) {
      const button = doc.createElement('button');
      button.type = 'button';
      button.className = 'btn small';
      button.textContent = say('picture_out', {});
      button.onclick = () => { if (doc.pictureInPictureElement) doc.exitPictureInPicture(); else video.requestPictureInPicture().catch(() => {}); };
      bar.append(button);
    }
    bar.hidden = false;
  }

  /* A film that is already playing plain is left in peace; hls.js comes in before the first play, or with the next page.
     Whoever saves data gets the small file and not 190 KB of script. */
  const start = resumeAt(), saving = (navigator.connection || {}).saveData;
  if (given.hls && !mse && video.canPlayType('application/vnd.apple.mpegurl')) {
    video.src = given.hls;
    goTo(start);
  } else if (given.hls && given.hlsjs && mse && !saving) {
    const late = () => library().then(() => { if (video.paused && !video.currentTime && !listening) stream(start); }, () => {});
    if (doc.readyState === 'complete') late();
    else addEventListener('load', late);
    video.addEventListener('play', () => { if (!hls) goTo(start); }, { once: true });
  } else goTo(start);

  /* What is not needed for the first picture comes behind it. */
  const behind = () => given.late.split(' ').forEach(src => doc.head.append(Object.assign(doc.createElement('script'), { src })));
  if (doc.readyState === 'complete') behind();
  else addEventListener('load', behind);

  /* "Ask about this moment": the second at which the film stands goes along with the link. */
  doc.addEventListener('click', event => {
    const link = event.target.closest('[data-ask]');
    if (!link || !video.currentTime) return;
    const there = new URL(link.href);
    there.searchParams.set('t', Math.floor(video.currentTime));
    link.href = there;
  });
})();
