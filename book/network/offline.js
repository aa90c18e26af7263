/* Pages that were visited work without a connection. With one, the
   newest is shown: the copies are for when the network fails. */
"use strict";

const NAME = "carvana-lessons";

// One copy of each file: a newer one, of another ?version, replaces it.
// Of a page that has left the site no copy stays.
async function keep(request, response) {
  const gone = [404, 410].includes(response.status);
  if (response.type !== "basic" || !(gone || response.status === 200))
    return;
  const cache = await caches.open(NAME);
  await cache.delete(request, {ignoreSearch: true});
  if (!gone) await cache.put(request, response);
}

async function answer(event) {
  const {request} = event;
  try {
    const response = await fetch(request);
    event.waitUntil(keep(request, response.clone()).catch(() => {}));
    return response;
  } catch (error) {
    const copy = await caches.match(request, {ignoreSearch: true});
    if (copy) return copy;
    throw error;
  }
}

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) =>
  event.waitUntil(clients.claim()));

addEventListener("fetch", (event) => {
  const {request} = event;
  if (request.method === "GET"
    && request.url.startsWith(registration.scope))
    event.respondWith(answer(event));
});

// What a page had loaded before this ran: the browser still has it.
addEventListener("message", (event) =>
  event.waitUntil(Promise.allSettled(event.data
    .filter((url) => url.startsWith(registration.scope))
    .map(async (url) => keep(url, await fetch(url))))));
