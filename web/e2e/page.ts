// The page in a real browser: against the server at OWLET_URL where that is given, else against the mock, which can also
// fail in every way the page must survive.

import { launch } from './browser';
import { runTests } from './harness';
import { mockTests } from './page_mock';
import { serverTests } from './page_server';

const browser = await launch();
const url = process.env.OWLET_URL?.replace(/\/+$/, '');
await runTests(url ? serverTests(browser, url) : mockTests(browser));
await browser.close();
