// The page in a real browser: against the server at OWLET_URL where that is given, else against the mock, which can also
// fail in every way the page must survive.

import { launch } from './browser';
import { runTests, type Test } from './harness';
import { chatTests } from './page_chats';
import { hostileTests } from './page_hostile';
import { keyboardTests } from './page_keyboard';
import { lookTests } from './page_look';
import { mockTests } from './page_mock';
import { serverTests } from './page_server';
import { turnTests } from './page_turns';
import { kPlaces } from './scene';

// With words behind the command, only the tests whose names have them.
const words = process.argv.slice(2).join(' ');
const chosen = ([name]: Test): boolean => name.includes(words);
const browser = await launch();
const url = process.env.OWLET_URL?.replace(/\/+$/, '');
const featureTests = kPlaces.flatMap((place) => [turnTests, chatTests, keyboardTests].flatMap((tests) => tests(browser, place)));
await runTests(url ? serverTests(browser, url) : [...mockTests(browser), ...featureTests, ...lookTests(browser), ...hostileTests(browser)].filter(chosen));
await browser.close();
