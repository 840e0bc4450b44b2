/* Passkeys: [data-passkey="confirm"] proves presence, form[data-passkey="register"] makes a new one.
   Without WebAuthn (WeChat, old phones) the buttons are hidden and the PIN remains. Sentences come from data attributes. */
(function () {
  'use strict';
  var able = window.PublicKeyCredential && navigator.credentials && window.isSecureContext;

  function bytes(text) {
    var raw = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
    return Uint8Array.from(raw, function (letter) { return letter.charCodeAt(0); }).buffer;
  }

  function text(buffer) {
    var raw = '';
    new Uint8Array(buffer).forEach(function (byte) { raw += String.fromCharCode(byte); });
    return btoa(raw).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  }

  // Own translation of the options: parse…OptionsFromJSON came to browsers only in 2023 to 2025.
  function opened(options) {
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    ['excludeCredentials', 'allowCredentials'].forEach(function (key) {
      (options[key] || []).forEach(function (known) { known.id = bytes(known.id); });
    });
    return options;
  }

  function answered(credential) {
    var from = credential.response, response = { clientDataJSON: text(from.clientDataJSON) };
    if (from.attestationObject) response.attestationObject = text(from.attestationObject);
    if (from.authenticatorData) response.authenticatorData = text(from.authenticatorData);
    if (from.signature) response.signature = text(from.signature);
    if (from.userHandle) response.userHandle = text(from.userHandle);
    if (from.getTransports) response.transports = from.getTransports();
    return {
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      response: response,
      clientExtensionResults: credential.getClientExtensionResults()
    };
  }

  async function send(url, body) {
    var headers = { 'Content-Type': 'application/json', 'X-Requested-With': 'lms' };
    var field = document.querySelector('input[name="form_token"]');
    if (field) headers['X-Form-Token'] = field.value;
    var reply = await fetch(url, { method: 'POST', headers: headers, body: JSON.stringify(body || {}), credentials: 'same-origin' });
    var found = reply.status === 204 ? {} : await reply.json();
    if (!reply.ok) throw Object.assign(new Error(found.detail || ''), { told: found.detail });
    return found;
  }

  function say(place, words) {
    var says = place && place.querySelector('[data-passkey-says]');
    if (says) says.textContent = words;
  }

  async function confirm(button) {
    var place = button.closest('[data-presence]');
    button.disabled = true;
    try {
      var options = opened(await send('/confirm/passkey/options'));
      var credential = await navigator.credentials.get({ publicKey: options });
      await send('/confirm/passkey', answered(credential));
      var page = button.closest('form[data-confirm-page]');
      if (page) { location.assign(page.elements.next.value); return; }
      document.querySelectorAll('[data-presence]').forEach(function (other) {
        other.querySelectorAll('label, input, .hint, .error-text, button').forEach(function (part) { part.remove(); });
        say(other, button.dataset.done);
      });
      document.dispatchEvent(new CustomEvent('firefly:confirmed'));
    } catch (problem) {
      say(place, problem.told || button.dataset.failed);
    }
    button.disabled = false;
  }

  async function register(form) {
    var button = form.querySelector('button');
    button.disabled = true;
    try {
      var options = opened(await send('/account/passkeys/options', { password: form.elements.password.value }));
      var credential = await navigator.credentials.create({ publicKey: options });
      var answer = answered(credential);
      await send('/account/passkeys', { label: form.elements.label.value, answer: answer });
      location.assign('/account#passkeys');
      location.reload();
    } catch (problem) {
      say(form, problem.told || form.dataset.failed);
    }
    button.disabled = false;
  }

  document.querySelectorAll('[data-passkey]').forEach(function (part) {
    if (!able) { part.hidden = true; return; }
    if (part.tagName === 'FORM') {
      part.addEventListener('submit', function (event) { event.preventDefault(); register(part); });
    } else {
      part.addEventListener('click', function () { confirm(part); });
    }
  });
}());
