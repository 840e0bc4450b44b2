/* A certificate's PDF, judged where it is: nothing of the file leaves this device. The same judgement, in the same order, as
   lms/core/signing/checking.py and lms/certificates/checking.py, without the parts that need a whole reader of PDF.

     script#trust            JSON: root, lists (DER, base64), register (address, or none: the saved page), status, kinds in words
     form[data-paper]        with the text of a QR code; what its signed summary says, as lms/certificates/summary.py judges it
     form[data-verify]       with the file field; a file that is chosen or dropped is judged at once
     template[data-said=code] what is said of each kind of file; [data-fact=name] inside [data-facts] are filled, empty ones leave
     #verdict                where it is said; [data-send] there sends the file after all, as the form does without this script */
(() => {
  'use strict';
  const doc = document, subtle = self.crypto && crypto.subtle;
  const MOST = 2 * 1024 * 1024, MOST_UNPACKED = 16 * 1024 * 1024, MOST_ADDED = 1024 * 1024;
  const latin = bytes => new TextDecoder('latin1').decode(bytes);
  const hex = bytes => Array.from(bytes, b => (b + 256).toString(16).slice(1)).join('');
  const base64 = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const last = list => list[list.length - 1];
  const matches = (pattern, text) => {
    const found = [];
    for (let one; (one = pattern.exec(text));) { found.push(one); if (!one[0]) pattern.lastIndex++; }
    return found;
  };

  /* ---- DER ---- */
  function node(bytes, at) {
    let size = bytes[at + 1], body = at + 2;
    if (size > 127) {
      const more = size & 127;
      if (!more || more > 4) throw new Error('length');
      for (size = 0; body < at + 2 + more; body++) size = size * 256 + bytes[body];
    }
    if (!(body + size <= bytes.length)) throw new Error('cut');
    return { tag: bytes[at], body: bytes.subarray(body, body + size), raw: bytes.subarray(at, body + size) };
  }
  function kids(one) {
    const found = [];
    for (let at = 0; at < one.body.length; at += last(found).raw.length) found.push(node(one.body, at));
    return found;
  }
  const id = one => hex(one.body);
  const same = (a, b) => hex(a) === hex(b);
  const joined = (a, b) => { const both = new Uint8Array(a.length + b.length); both.set(a); both.set(b, a.length); return both; };

  function moment(one) {
    const text = latin(one.body), digits = one.tag === 0x17 ? (text < '5' ? '20' : '19') + text : text;
    return Date.parse(digits.replace(/^(....)(..)(..)(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  }
  function text(one) {
    return new TextDecoder(one.tag === 0x1e ? 'utf-16be' : 'utf-8').decode(one.body);
  }

  function certificate(raw) {
    const [tbs, algorithm, signature] = kids(node(raw, 0)), parts = kids(tbs), extensions = {}, names = {};
    if (parts[0].tag === 0xa0) parts.shift();
    const more = parts.find(one => one.tag === 0xa3);
    if (more) kids(kids(more)[0]).forEach(one => { const inside = kids(one); extensions[id(inside[0])] = node(last(inside).body, 0); });
    kids(parts[4]).forEach(set => kids(set).forEach(one => { const [what, value] = kids(one); names[id(what)] = text(value); }));
    const usage = extensions['551d0f'], purposes = extensions['551d25'], basic = extensions['551d13'];
    return {
      raw, tbs: tbs.raw, algorithm, signature: signature.body.subarray(1), serial: hex(parts[0].body), issuer: parts[2].raw,
      from: moment(kids(parts[3])[0]), to: moment(kids(parts[3])[1]), subject: parts[4].raw, key: parts[5],
      isAuthority: !!basic && kids(basic).some(one => one.tag === 1 && one.body[0]) && !!usage && !!(usage.body[1] & 4),
      signs: !!usage && !!(usage.body[1] & 64) && !!purposes && kids(purposes).some(one => id(one) === '2b06010505070304'),
      name: names['550403'], organisation: names['55040a']
    };
  }

  const HASHES = { '608648016503040201': 'SHA-256', '608648016503040202': 'SHA-384', '608648016503040203': 'SHA-512' };
  const CURVES = { '2a8648ce3d030107': ['P-256', 32], '2b81040022': ['P-384', 48], '2b81040023': ['P-521', 66] };
  const RSA = '2a864886f70d0101', ECDSA = '2a8648ce3d0403';

  /* Whether `signature` over `data` is by the holder of `key`; `digest`: where the algorithm names none of its own. */
  async function holds(key, algorithm, signature, data, digest) {
    const [kind, parameters] = kids(algorithm), what = id(kind), way = what.slice(-2);
    let hash = digest, use, how;
    if (what.startsWith(RSA)) {
      if (way === '0a') {
        const given = kids(parameters), field = tag => { const one = given.find(each => each.tag === tag); return one && kids(one)[0]; };
        hash = field(0xa0) ? HASHES[id(kids(field(0xa0))[0])] : 'SHA-1';
        use = { name: 'RSA-PSS', hash };
        how = { name: 'RSA-PSS', saltLength: field(0xa2) ? parseInt(hex(field(0xa2).body), 16) : 20 };
      } else {
        hash = { '0b': 'SHA-256', '0c': 'SHA-384', '0d': 'SHA-512', '01': digest }[way];
        use = how = { name: 'RSASSA-PKCS1-v1_5', hash };
      }
    } else if (what.startsWith(ECDSA)) {
      const [namedCurve, size] = CURVES[id(kids(kids(key)[0])[1])];
      hash = { '02': 'SHA-256', '03': 'SHA-384', '04': 'SHA-512' }[way];
      use = { name: 'ECDSA', namedCurve };
      how = { name: 'ECDSA', hash };
      const plain = new Uint8Array(2 * size);
      kids(node(signature, 0)).forEach((one, place) => {
        const number = one.body[0] ? one.body : one.body.subarray(1);
        plain.set(number, (place + 1) * size - number.length);
      });
      signature = plain;
    }
    if (!hash || hash === 'SHA-1') return false;
    return subtle.verify(how, await subtle.importKey('spki', key.raw, use, false, ['verify']), signature, data);
  }
  const vouches = (above, below) => holds(above.key, below.algorithm, below.signature, below.tbs);

  /* The certificates from the signer up to our root, or none: only authorities in between, all in force at `at`. */
  async function path(signer, others, root, at) {
    const found = [signer];
    while (found.length < 4) {
      const top = last(found);
      if (!(top.from <= at && at <= top.to)) return null;
      if (same(top.issuer, root.subject)) return root.from <= at && at <= root.to && await vouches(root, top) ? found.concat(root) : null;
      let above = null;
      for (const one of others) if (one.isAuthority && same(one.subject, top.issuer) && await vouches(one, top)) above = one;
      if (!above || found.includes(above)) return null;
      found.push(above);
    }
    return null;
  }

  async function withdrawn(chain, lists) {
    for (let place = 0; place + 1 < chain.length; place++) {
      for (const raw of lists) {
        const [tbs, algorithm, signature] = kids(node(raw, 0)), parts = kids(tbs), above = chain[place + 1];
        if (parts[0].tag === 2) parts.shift();
        if (!same(parts[1].raw, above.subject) || !await holds(above.key, algorithm, signature.body.subarray(1), tbs.raw)) continue;
        const rows = parts.slice(3).find(one => one.tag === 0x30);
        if (rows && kids(rows).some(row => hex(kids(row)[0].body) === chain[place].serial)) return true;
      }
    }
    return false;
  }

  /* ---- The parts of the file ---- */
  /* Every deflated stream, unpacked; past the limit it throws. */
  async function unpacked(data, from, act) {
    const all = latin(data);
    let left = MOST_UNPACKED;
    const starts = matches(/stream\r?\n/g, all.slice(from)).map(found => from + found.index + found[0].length);
    for (const start of starts) {
      if (![0x78, 0x58, 0x48, 0x68, 0x38].includes(data[start])) continue;
      let end = all.indexOf('endstream', start), cut;
      if (end < 0) end = data.length;
      for (cut = end; cut > start && /\s/.test(all[cut - 1]);) cut--;
      /* The end of line apart: where it is not the stream's own, it is a fault, which must not cost what came before. */
      const parts = [data.subarray(start, cut), data.subarray(cut, end)].filter(part => part.length), pieces = [];
      const pull = line => { if (parts.length) line.enqueue(parts.shift()); else line.close(); };
      const reader = new ReadableStream({ pull }, { highWaterMark: 0 }).pipeThrough(new DecompressionStream('deflate')).getReader();
      try {
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          pieces.push(value);
          left -= value.length;
          if (left < 0) break;
        }
      } catch (_) { /* what came before the fault counts */ }
      if (left < 0) { reader.cancel().catch(() => 0); throw new Error('bomb'); }
      if (act(await new Blob(pieces).arrayBuffer())) return;
    }
  }

  function around(all, before, resume) {
    const begins = Math.max(all.lastIndexOf(' obj', before), before - 4096, 0), ends = all.indexOf('endobj', resume);
    return [all.slice(begins, before), all.slice(resume, ends < 0 || ends > resume + 4096 ? resume : ends)];
  }
  function inEither(pattern, parts) {
    return pattern.exec(parts[0]) || pattern.exec(parts[1]);
  }
  function reason(parts) {
    const found = inEither(/\/Reason\s{0,20}\(((?:[^()\\]|\\[^]){0,400})\)/, parts);
    if (!found) return '';
    return found[1].replace(/\\([0-7]{1,3}|[^])/g, (_, said) => /\d/.test(said) ? String.fromCharCode(parseInt(said, 8) & 255) : said)
      .replace(/^\xfe\xff/, '').replace(/\0/g, '');
  }
  function signingTime(parts) {
    const found = inEither(/\/M\s{0,20}\(D(?::|\\072)(\d{14})(?:Z|([+-])(\d\d)'(\d\d)'?)/, parts);
    if (!found) return NaN;
    const offset = ((+found[3] || 0) * 60 + (+found[4] || 0)) * 60000 * (found[2] === '-' ? -1 : 1);
    return Date.parse(found[1].replace(/(....)(..)(..)(..)(..)(..)/, '$1-$2-$3T$4:$5:$6Z')) - offset;
  }

  const SIGNS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
  /* The number in its one form, if its check character (ISO 7064, MOD 37,36) is right. */
  function serial(typed) {
    const bare = typed.normalize('NFKC').replace(/[\s\-\u2013\u2014_]/g, '').toUpperCase(), found = /^([0-9A-Z]{2,8})(\d{4})(\d{6})([0-9A-Z])$/.exec(bare);
    if (!found) return '';
    let total = 36;
    for (const sign of bare.slice(0, -1)) total = ((total + SIGNS.indexOf(sign)) % 36 || 36) * 2 % 37;
    return SIGNS[(37 - total) % 36] === found[4] ? found.slice(1).join('-') : '';
  }
  function serialIn(all) {
    const found = all.match(/(?:^|[^0-9A-Z])[0-9A-Z]{2,8}-\d{4}-\d{6}-[0-9A-Z](?![0-9A-Z])/g) || [];
    return found.map(one => serial(one.replace(/^[^0-9A-Z]/, ''))).find(Boolean) || '';
  }
  const serialOf = bytes => {
    const all = latin(bytes);
    return serialIn(all) || all.includes('\xfe\xff') && serialIn(all.replace(/\0/g, '')) || '';
  };

  /* Whether what stands behind our signature changes what a page shows, as far as this can be told without a reader of PDF:
     it gives a part of the signed file anew that is neither the catalogue with the same pages nor what the file says of itself. */
  async function redraws(data, all, signed) {
    const added = all.slice(signed), before = all.slice(0, signed);
    if (!/obj|xref|trailer/.test(added)) return false;
    if (added.length > MOST_ADDED || /\/ObjStm|\/Encrypt|\/LZWDecode|\/RunLengthDecode/.test(added)) return true;
    try { await unpacked(data, signed, () => false); } catch (_) { return true; }
    const one = (pattern, where) => { const found = matches(pattern, where); return found.length ? last(found)[1] : ''; };
    const size = +one(/\/Size\s+(\d+)/g, before), root = one(/\/Root\s+(\d+)\s/g, before), info = one(/\/Info\s+(\d+)\s/g, before);
    const shown = part => [/\/Pages\s+\d+ \d+ R/, /\/AcroForm\s+\d+ \d+ R/].map(key => (key.exec(part) || [''])[0]).join();
    const catalogue = one(new RegExp('\\b' + root + '\\s+\\d+\\s+obj\\b([^]*?)endobj', 'g'), before), facts = one(/\/Metadata\s+(\d+)\s/g, catalogue);
    if (![root, ''].includes(one(/\/Root\s+(\d+)\s/g, added))) return true;
    return matches(/(\d+)\s+\d+\s+obj\b([^]*?)endobj/g, added).some(([, number, part]) =>
      +number < size && ![info, facts].includes(number) && (number !== root || shown(part) !== shown(catalogue)));
  }

  /* ---- The judgement ---- */
  async function range(data, all, given, trust) {
    const [start, before, resume, after] = given, end = resume + after, hole = all.slice(before, resume);
    if (start || !(before > 0 && before < resume) || end > data.length || !/^<(?:[0-9A-Fa-f]{2})+>$/.test(hole)) return { code: 'altered' };
    if (!/[^<0>]/.test(hole)) return { code: 'no_signature' };
    const parts = around(all, before, resume), at = signingTime(parts), covered = joined(data.subarray(0, before), data.subarray(resume, end));
    try {
      const contents = Uint8Array.from(hole.slice(1, -1).match(/../g), pair => parseInt(pair, 16)), whole = node(contents, 0);
      if (contents.subarray(whole.raw.length).some(Boolean)) throw new Error('more than a CMS object');
      const [type, content] = kids(whole);
      if (id(type) !== '2a864886f70d010702') throw new Error('not a signature');
      const signed = kids(kids(content)[0]), box = signed.find(one => one.tag === 0xa0);
      const others = kids(box).filter(one => one.tag === 0x30).map(one => certificate(one.raw)), infos = kids(last(signed));
      const info = kids(infos[0]), attributes = info.find(one => one.tag === 0xa0), place = info.indexOf(attributes);
      if (infos.length !== 1 || !attributes) throw new Error('one signer, with attributes');
      const digest = HASHES[id(kids(info[2])[0])], values = {};
      kids(attributes).forEach(one => { const [what, set] = kids(one); values[id(what)] = kids(set)[0]; });
      const [issuer, number] = kids(info[1]), signer = others.find(one => same(one.issuer, issuer.raw) && one.serial === hex(number.body));
      const own = new Uint8Array(attributes.raw);
      own[0] = 0x31;
      const intact = digest && same(values['2a864886f70d010904'].body, new Uint8Array(await subtle.digest(digest, covered))) &&
        id(values['2a864886f70d010903']) === '2a864886f70d010701';
      if (!intact || !await holds(signer.key, info[place + 1], info[place + 2].body, own, digest)) return { code: 'altered' };
      const chain = signer.signs ? await path(signer, others, trust.root, at) : null;
      const code = !chain ? 'untrusted' : await withdrawn(chain, trust.lists) ? 'revoked' : end === data.length ? 'valid' : 'appended';
      return { code, signer, reason: reason(parts), end };
    } catch (_) {
      return { code: 'altered' };
    }
  }

  const TELLING = ['valid', 'revoked', 'appended', 'untrusted', 'altered', 'no_signature'];
  const CODES = { altered: 'changed', no_signature: 'stripped', untrusted: 'lookalike', revoked: 'revoked_signer', appended: 'appended' };

  /* What the bytes are: {code, serial, signer, states}; `ask`: digests of the file's states → what the register knows, or null. */
  async function judge(data, trust, ask) {
    const all = latin(data);
    if (data.length > MOST || !all.slice(0, 1024).includes('%PDF-')) return { code: 'unreadable' };
    const ranges = matches(/\/ByteRange\s{0,20}\[\s{0,20}(\d{1,9})\s{1,20}(\d{1,9})\s{1,20}(\d{1,9})\s{1,20}(\d{1,9})\s{0,20}\]/g, all).map(one => one.slice(1, 5).map(Number));
    if (!ranges.length && !all.slice(-1024).includes('%%EOF')) return { code: 'unreadable' };
    let found = { code: 'no_signature' };
    for (const one of ranges.slice(0, 4).concat(ranges.slice(4).slice(-4))) {
      const next = await range(data, all, one, trust);
      if (TELLING.indexOf(next.code) < TELLING.indexOf(found.code)) found = next;
    }
    const said = /^Certificate ([^]{4,40})$/.exec(found.reason || ''), { signer } = found;
    let claimed = said ? serial(said[1]) : '', credential = null;
    if (!claimed && ['valid', 'revoked', 'appended'].includes(found.code)) return { code: 'foreign' };
    if (!claimed) claimed = serialOf(data);
    if (!claimed || found.code === 'valid' && !ask) {
      try {
        await unpacked(data, 0, piece => {
          if (!claimed) claimed = serialOf(piece);
          const words = new Uint8Array(piece)[0] === 0x7b && new TextDecoder().decode(piece);
          if (words && words.includes('credentialStatus')) credential = JSON.parse(words);
          return claimed && found.code !== 'valid';
        });
      } catch (_) { /* as much as could be read */ }
    }
    if (!claimed) return { code: 'foreign' };
    const answer = { code: CODES[found.code], serial: claimed, signer, credential: found.code === 'valid' ? credential : null };
    if (found.code !== 'valid' && found.code !== 'appended' && found.code !== 'revoked') return answer;
    /* By the digest of a state nobody but the register can tell a file; of a longer file the whole must be known, not its beginning. */
    const ends = ranges.map(one => one[2] + one[3]).filter(end => end > 0 && end < data.length);
    const behind = found.code !== 'valid' && ends.length && last(ranges)[2] + last(ranges)[3] === data.length && all.slice(found.end).includes('/ETSI.RFC3161');
    if (found.code !== 'valid' && !behind) {
      if (found.code === 'appended' && await redraws(data, all, found.end)) answer.code = 'overlaid';
      return answer;
    }
    const digest = async end => hex(new Uint8Array(await subtle.digest('SHA-256', data.subarray(0, end))));
    const states = await Promise.all((behind ? [] : ends.slice(0, 7)).concat(data.length).map(digest));
    let known = null;
    if (ask) {
      try { known = await ask(states); } catch (_) { return Object.assign(answer, { code: behind ? 'extended' : 'unasked' }); }
    }
    if (behind && (found.code === 'revoked' || !known)) answer.code = 'extended';
    else if (!ask) answer.code = 'genuine';
    else if (!known || known.serial !== claimed) answer.code = 'unregistered';
    else answer.code = known.state === 'good' ? 'genuine' : known.state;
    return Object.assign(answer, { known: ['extended', 'unregistered'].includes(answer.code) ? null : known });
  }

  /* ---- The saved page: a status list that was published with it, bit by bit ---- */
  async function listed(credential, status) {
    for (const entry of [].concat(credential && credential.credentialStatus || [])) {
      const list = status[entry.statusListCredential];
      if (!list) return 'unlisted';
      const bits = new Uint8Array(await new Response(new Blob([base64(list.replace(/^u/, '').replace(/-/g, '+').replace(/_/g, '/'))]).stream()
        .pipeThrough(new DecompressionStream('gzip'))).arrayBuffer());
      const index = +entry.statusListIndex;
      if (bits[index >> 3] & 128 >> index % 8) return entry.statusPurpose === 'suspension' ? 'suspended' : 'closed';
    }
    return credential ? 'listed' : 'unlisted';
  }

  /* ---- The code on a print ---- */
  const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', LIST = 131072;
  function base32(text) {
    const bytes = [];
    let held = 0, bits = 0;
    for (const sign of text) {
      held = (held << 5 | LETTERS.indexOf(sign)) & 4095;
      bits += 5;
      if (bits > 7) { bits -= 8; bytes.push(held >> bits & 255); }
    }
    return Uint8Array.from(bytes);
  }
  const day = text => text.replace(/^(....)(..)(..)$/, '$1-$2-$3');

  /* What the text of a QR code is: {code, serial, known}. */
  async function paper(typed) {
    const found = /^(https?:\/\/[^\s?#]+\/verify\/([0-9A-Z-]+))(?:\?[^\s#]*)?(?:#(\S*))?$/.exec(typed.trim());
    if (!found || !found[3]) return { code: 'paper_bare', serial: found ? serial(found[2]) : '' };
    const answer = { code: 'paper_changed', serial: serial(found[2]) }, packed = /^1([A-Z2-7]{110,})$/.exec(found[3]);
    if (!packed) return answer;
    const data = base32(packed[1]), text = data.subarray(64);
    let key;
    try { key = await subtle.importKey('raw', base64(told.paper), { name: 'Ed25519' }, false, ['verify']); } catch (_) { return Object.assign(answer, { code: 'paper_unable' }); }
    const message = joined(new TextEncoder().encode('FFLY-QR-1\n' + found[1] + '\n'), text);
    if (!await subtle.verify({ name: 'Ed25519' }, key, data.subarray(0, 64), message)) return answer;
    const [kind, number, issued, period, amount, zh, latin, programme] = new TextDecoder().decode(text).split('\n'), site = found[1].replace(/\/verify\/[^/]*$/, '');
    const credit = kind[0] === 'k', [credits, hours] = credit ? amount.split('/') : ['', amount];
    const known = { kind: credit ? 'credit' : 'completion', name: [zh, latin].filter(Boolean).join(' '), programme, issued_on: day(issued),
      period: day(period.slice(0, 8)) + ' – ' + day(period.slice(8)), credits, hours, sample: kind[1] === 's', serial: answer.serial, site };
    const credentialStatus = ['revocation', 'suspension'].map(purpose => (
      { statusPurpose: purpose, statusListIndex: number % LIST, statusListCredential: site + '/status/' + purpose + '/' + (Math.floor(number / LIST) + 1) }));
    return Object.assign(answer, { code: 'paper', known, credential: { credentialStatus } });
  }

  /* Whether it counts: by the register where there is one (asked by the number only), else by the lists in the page. */
  async function counts(found) {
    if (!told.register) return self.DecompressionStream ? listed(found.credential, told.status) : 'unlisted';
    try {
      const answer = await fetch('/verify/' + found.serial + '?format=json', { headers: { Accept: 'application/json' }, cache: 'no-store' });
      return { good: 'listed', suspended: 'suspended', revoked: 'closed', superseded: 'closed' }[(await answer.json()).state] || 'unlisted';
    } catch (_) { return 'unlisted'; }
  }

  async function checkPaper(typed) {
    let found = { code: 'paper_changed' };
    try {
      found = await paper(typed);
      if (found.code === 'paper') found.code = { listed: told.register ? 'paper' : 'paper_listed', unlisted: 'paper_unlisted', closed: 'paper_closed', suspended: 'paper_suspended' }[await counts(found)];
    } catch (_) { /* not as it was signed */ }
    show(Object.assign(found, { credential: null }));
  }

  /* ---- The page ---- */
  const form = doc.querySelector('[data-verify]'), place = doc.querySelector('#verdict'), given = doc.querySelector('#trust');
  if (!form || !place || !given || !subtle) return;
  const told = JSON.parse(given.textContent), input = form.querySelector('[type=file]'), typed = doc.querySelector('[data-paper]');
  if (typed && told.paper) {
    typed.hidden = false;
    typed.addEventListener('submit', event => {
      event.preventDefault();
      event.stopPropagation();
      checkPaper(typed.elements.code.value);
    });
  }
  if (!self.DecompressionStream) return;
  const trust = { root: certificate(base64(told.root)), lists: told.lists.map(base64) };

  async function ask(states) {
    const answer = await fetch(told.register + '?sha256=' + states.join('&sha256='), { headers: { Accept: 'application/json' }, cache: 'no-store' });
    if (!answer.ok) throw new Error(answer.status);
    const known = await answer.json();
    return known.serial ? known : null;
  }

  function show(finding) {
    const said = doc.querySelector('template[data-said=' + finding.code + ']').content.cloneNode(true), known = finding.known || {};
    const signer = finding.known ? '' : finding.signer && finding.signer.name;
    const earned = finding.credential && finding.credential.credentialSubject && finding.credential.credentialSubject.achievement;
    const kind = told.kinds[known.kind || earned && (/#credits$/.test(earned.id) ? 'credit' : 'completion')];
    const facts = Object.assign({}, known, { kind, serial: known.serial || finding.serial, signer, checked: new Date().toLocaleString(doc.documentElement.lang, { hour12: false }) });
    const table = doc.querySelector('template[data-facts]').content.cloneNode(true);
    table.querySelectorAll('[data-fact]').forEach(cell => {
      const value = facts[cell.dataset.fact];
      if (value) cell.textContent = value; else cell.parentNode.remove();
    });
    table.querySelectorAll('[data-register]').forEach(link => { if (facts.serial) link.href += facts.serial; else link.remove(); });
    table.querySelectorAll('[data-only]').forEach(part => { if (!part.dataset.only.split(' ').includes(finding.code) && !(part.dataset.only === 'sample' && known.sample)) part.remove(); });
    place.replaceChildren(said, table);
    place.dataset.code = finding.code;
    place.hidden = false;
    place.focus();
  }

  async function check(file) {
    if (!file) return;
    place.hidden = true;
    form.setAttribute('aria-busy', 'true');
    let finding = { code: 'unreadable' };
    try {
      if (file.size <= MOST) finding = await judge(new Uint8Array(await file.arrayBuffer()), trust, told.register && ask);
      if (finding.code === 'genuine' && !told.register) finding.code = await listed(finding.credential, told.status);
    } catch (problem) {
      finding = { code: 'unreadable' };
    }
    form.removeAttribute('aria-busy');
    show(finding);
  }

  form.addEventListener('submit', event => {
    if (form.dataset.sending) return;
    if (!input.files.length) return;                                       /* the site says what is missing */
    event.preventDefault();
    event.stopPropagation();
    check(input.files[0]);
  });
  input.addEventListener('change', () => check(input.files[0]));
  doc.addEventListener('dragover', event => event.preventDefault());
  doc.addEventListener('drop', event => {
    event.preventDefault();
    if (event.dataTransfer.files.length) { input.files = event.dataTransfer.files; check(input.files[0]); }
  });
  place.addEventListener('click', event => {
    if (!event.target.closest('[data-send]')) return;
    form.dataset.sending = '1';
    form.submit();
  });
  const lapsed = doc.querySelector('[data-lapsed]');
  if (lapsed) lapsed.hidden = !(Date.parse(told.until) < Date.now());
  doc.querySelectorAll('[data-local]').forEach(part => { part.hidden = false; });
})();
