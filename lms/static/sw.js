/* The service worker. Above this script the server writes `self.FIREFLY = {version, outbox, precache}` (lms/web/assets.py),
   so a new release is a new worker.

   pages-<account>  the pages one account has seen; a page says whose it is (html[data-account]), and the pages of any other
                    account are forgotten as soon as somebody else's arrives
   static-<version> the files every page needs
   media-<account>  lectures kept for offline (offline.js), whole, under keys without the signature of their address; players ask
                    for ranges, which are cut here */
(() => {
  'use strict';
  const config = self.FIREFLY, STATIC = 'static-' + config.version, MEDIA = 'media-', PAGES = 'pages-';
  const SLOW_MS = 4000, PAGES_KEPT = 60;
  importScripts(...config.outbox);
  const box = self.Outbox;

  self.addEventListener('install', e => {
    e.waitUntil(caches.open(STATIC).then(c => c.addAll(config.precache)).then(() => self.skipWaiting()));
  });
  self.addEventListener('activate', e => {
    e.waitUntil(drop(name => name.indexOf('static-') === 0 && name !== STATIC)
      .then(() => self.registration.navigationPreload && self.registration.navigationPreload.enable())
      .then(() => self.clients.claim()));
  });
  self.addEventListener('sync', e => { if (e.tag === 'outbox') e.waitUntil(box.flushOps().then(box.flush)); });
  self.addEventListener('message', e => {
    if (e.data.forget) e.waitUntil(forget());
    if (e.data.flush) e.waitUntil(box.flush());
    if (e.data.keep) e.waitUntil(Promise.all(e.data.keep.map(url => fetch(url).then(response => keepPage(new Request(url), response)).catch(() => {}))));
  });

  function drop(which) {
    return caches.keys().then(names => Promise.all(names.filter(which).map(n => caches.delete(n))));
  }
  function isPrivate(name) { return name.indexOf(PAGES) === 0 || name.indexOf(MEDIA) === 0; }
  function forget() { return drop(isPrivate); }

  /* ---- Pages: the network first; after 4 s of a bad link the saved copy, while the fresh one still comes in behind ---- */
  function keepPage(request, response) {
    const type = response.headers.get('Content-Type') || '', rules = response.headers.get('Cache-Control') || '';
    if (!response.ok || response.type !== 'basic' || response.redirected || type.indexOf('text/html') || /no-store/.test(rules)) return Promise.resolve();
    const copy = response.clone();               /* only now: a copy of a large download would fill the memory */
    return response.clone().text().then(text => {
      const whose = (/<html[^>]* data-account="([^"]+)"/.exec(text) || [])[1];
      if (!whose) return undefined;
      const mine = PAGES + whose;
      return drop(name => isPrivate(name) && name !== mine && name !== MEDIA + whose)
        .then(() => caches.open(mine))
        .then(cache => cache.put(request, copy).then(() => cache.keys()).then(keys => Promise.all(keys.slice(0, Math.max(0, keys.length - PAGES_KEPT)).map(k => cache.delete(k)))));
    }).catch(() => {});
  }
  function savedPage(request) {
    return caches.keys().then(names => {
      const mine = names.filter(n => n.indexOf(PAGES) === 0)[0];
      return mine ? caches.open(mine).then(cache => cache.match(request)) : undefined;
    }).then(found => found || kept(request.url));
  }
  function page(e) {
    const fresh = Promise.resolve(e.preloadResponse).then(early => early || fetch(e.request));
    const kept = fresh.then(response => keepPage(e.request, response));   /* first in line, while the body is still unread */
    e.waitUntil(kept.catch(() => {}));
    return savedPage(e.request).then(saved => {
      if (!saved) return fresh.catch(offline);
      const slow = new Promise(resolve => { setTimeout(resolve, SLOW_MS, saved); });
      return Promise.race([fresh.catch(() => saved), slow]);
    });
  }
  function offline() {
    return caches.match('/offline').then(found => found || Response.error());
  }

  /* ---- Static files: from the cache; an older saved page that names an older file gets the current one of that name ---- */
  function stem(url) { return new URL(url).pathname.replace(/\.[0-9a-f]{10}\./, '.*.'); }
  function staticFile(request) {
    return caches.match(request).then(found => found || fetch(request).then(response => {
      if (!response.ok) throw new Error('gone');
      const copy = response.clone();
      caches.open(STATIC).then(c => c.put(request, copy)).catch(() => {});
      return response;
    }).catch(() => caches.open(STATIC).then(c => c.keys().then(keys => {
      const current = keys.filter(k => stem(k.url) === stem(request.url))[0];
      return current ? c.match(current) : Response.error();
    }))));
  }

  /* ---- Media ---- */
  function kept(url) {
    return caches.keys().then(names => {
      const mine = names.filter(n => n.indexOf(MEDIA) === 0)[0];
      return mine ? caches.open(mine).then(c => c.match(url, { ignoreSearch: true, ignoreVary: true })) : undefined;
    });
  }
  function media(request) {
    return kept(new URL(request.url).pathname.replace(/^\/media\/[^/]+/, '/media/-')).then(whole => {
      if (!whole) return fetch(request);
      const range = /bytes=(\d+)-(\d*)/.exec(request.headers.get('Range') || '');
      if (!range) return whole;
      return whole.blob().then(blob => {
        const start = +range[1], end = range[2] ? Math.min(+range[2], blob.size - 1) : blob.size - 1;
        if (start >= blob.size) return new Response('', { status: 416, headers: { 'Content-Range': 'bytes */' + blob.size } });
        return new Response(blob.slice(start, end + 1, blob.type), {
          status: 206,
          headers: { 'Content-Type': blob.type, 'Content-Range': 'bytes ' + start + '-' + end + '/' + blob.size, 'Content-Length': end - start + 1, 'Accept-Ranges': 'bytes' }
        });
      });
    });
  }

  self.addEventListener('fetch', e => {
    const request = e.request, url = new URL(request.url);
    if (url.origin !== location.origin) return;
    if (request.mode === 'navigate' && request.method === 'POST') {
      /* Never the browser's own error page; Back keeps the form. Signing out forgets what was saved. */
      const away = url.pathname === '/sign-out';
      e.respondWith(fetch(request).then(response => away ? forget().then(() => response) : response, offline));
      return;
    }
    if (request.method !== 'GET') return;
    if (request.mode === 'navigate') e.respondWith(page(e));
    else if (url.pathname.indexOf('/static/') === 0) e.respondWith(staticFile(request));
    else if (url.pathname.indexOf('/media/') === 0) e.respondWith(media(request));
    else if (/\.vtt$/.test(url.pathname)) e.respondWith(fetch(request).catch(() => kept(request.url).then(found => found || Response.error())));
  });
})();
