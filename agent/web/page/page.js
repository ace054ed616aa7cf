// Keeps an open page fresh: fetches it anew and puts what changed in place, so that what is open
// stays open, what is selected stays selected, and the focus stays where it is.
"use strict";

const EVERY = 5000;
const lost = document.getElementById("lost");
const said = document.getElementById("said");

// Makes `was` like `now` with as few changes as it takes.
function morph(was, now) {
  if (was.nodeType !== now.nodeType || was.nodeName !== now.nodeName || was.id !== now.id) {
    was.replaceWith(now.cloneNode(true));
    return;
  }
  if (was.nodeType !== Node.ELEMENT_NODE) {
    if (was.data !== now.data) was.data = now.data;
    return;
  }
  // Whether details are open is the reader's choice.
  const mine = (name) => was.nodeName === "DETAILS" && name === "open";
  for (const { name } of [...was.attributes]) {
    if (!now.hasAttribute(name) && !mine(name)) was.removeAttribute(name);
  }
  for (const { name, value } of [...now.attributes]) {
    if (was.getAttribute(name) !== value && !mine(name)) was.setAttribute(name, value);
  }
  const old = [...was.childNodes], fresh = [...now.childNodes];
  fresh.forEach((child, nth) => {
    if (nth < old.length) morph(old[nth], child);
    else was.append(child.cloneNode(true));
  });
  old.slice(fresh.length).forEach((child) => child.remove());
}

function show(text) {
  const next = new DOMParser().parseFromString(text, "text/html");
  const here = document.querySelector("script"), there = next.querySelector("script");
  if (there === null || next.getElementById("live") === null) throw new Error("not the page");
  if (here.getAttribute("src") !== there.getAttribute("src")) return location.reload(); // another version
  const open = new Map([...document.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  const before = document.getElementById("headline").textContent;
  morph(document.getElementById("live"), next.getElementById("live"));
  for (const one of document.querySelectorAll("details[id]")) {
    if (open.has(one.id)) one.open = open.get(one.id);
  }
  document.title = next.title;
  document.querySelector("link[rel=icon]").href = next.querySelector("link[rel=icon]").href;
  const after = document.getElementById("headline").textContent;
  if (before !== after) said.textContent = after; // read out, and only this
}

async function refresh() {
  try {
    const answer = await fetch(location.pathname + location.search, {
      cache: "no-store",
      signal: AbortSignal.timeout(EVERY - 500),
    });
    if (!answer.ok) throw new Error("status " + answer.status);
    show(await answer.text());
    lost.hidden = true;
  } catch (error) {
    const why = /^status /.test(error.message) ? " (" + error.message + ")" : "";
    const text = "The agent does not answer" + why + ". What follows is what it knew at " +
      document.getElementById("at").textContent + ".";
    if (lost.textContent !== text) lost.textContent = text;
    lost.hidden = false;
  }
}

async function beat() {
  if (!document.hidden) await refresh();
  setTimeout(beat, EVERY);
}

setTimeout(beat, EVERY);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
