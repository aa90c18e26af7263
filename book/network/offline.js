/* Pages that were visited work without a connection. With one, the
   newest is shown: the copies are for when the network fails. */
"use strict";

const NAME = "carvana-lessons";

async function keep(request, response) {
  if (response.ok && response.type === "basic")
    await (await caches.open(NAME)).put(request, response);
}

async function answer(request) {
  try {
    const response = await fetch(request);
    keep(request, response.clone());
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
    event.respondWith(answer(request));
});

// What a page had loaded before this ran: the browser still has it.
addEventListener("message", (event) =>
  event.waitUntil(Promise.all(event.data
    .filter((url) => url.startsWith(registration.scope))
    .map(async (url) => keep(url, await fetch(url))))));
