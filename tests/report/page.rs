//! The page as a person looks at it, with the mouse and without.

use std::fs;

use serde_json::json;

use super::browser::{Browser, Key};
use super::{run, skipped};

#[test]
fn the_page_is_of_reasonable_size() {
    let Some(run) = run() else { return };
    // Eight cells share little; a run of hundreds has most lines of its logs in common.
    let size = fs::metadata(run.join("report.html")).unwrap().len();
    assert!(size < 8 * 50_000, "{size} octets");
}

#[test]
fn the_page_works_in_a_browser() {
    let Some(run) = run() else { return };
    let browser = match Browser::start() {
        Ok(browser) => browser,
        Err(why) => return skipped(&why),
    };
    browser.open(&format!("file://{}", run.join("report.html").display()));
    let shown =
        "[...document.querySelectorAll('button.cell')].filter(b => b.checkVisibility({ visibilityProperty: true }))";
    let count = || browser.ask(&format!("return {shown}.length"));
    assert_eq!(count(), 8, "two scenarios and one with twins, against two releases");

    // Filters, one by one.
    let set = |name: &str, value: &str| {
        browser.ask(&format!(
            "const field = document.querySelector('#filters').elements['{name}'];
             field.value = '{value}'; field.dispatchEvent(new Event('input', {{ bubbles: true }}));"
        ));
    };
    set("release", "15.x");
    assert_eq!(count(), 4);
    set("text", "mirror");
    assert_eq!(count(), 2, "by its title");
    set("tag", "misconfiguration");
    assert_eq!(count(), 2);
    set("text", "no such thing");
    assert_eq!(count(), 0);
    assert_eq!(browser.ask("return !document.getElementById('nothing').hidden"), true);
    browser.ask("document.querySelector('#filters button[type=reset]').click()");
    browser.until("return document.getElementById('shown').textContent === '8 cells'");
    browser.ask("document.querySelector('input[value=pass]').click()");
    assert_eq!(count(), 0, "every cell passed");
    browser.ask("document.querySelector('input[value=pass]').click()");

    // The matrix by keyboard: one stop of the focus order, arrows inside.
    assert_eq!(browser.ask("return document.querySelectorAll('button.cell[tabindex=\"0\"]').length"), 1);
    browser.ask("document.querySelector('button.cell[tabindex=\"0\"]').focus()");
    let focused = || browser.ask("return document.activeElement.getAttribute('aria-label')");
    assert_eq!(focused(), "phase1/lost-main-mode-4, builtin, 12.4: pass");
    browser.press(&[Key::Right, Key::Down]);
    assert_eq!(focused(), "phase2/acl-not-mirrored, builtin, 15.x, broken: pass");
    browser.press(&[Key::Down, Key::Left]);
    assert_eq!(focused(), "phase2/acl-not-mirrored, builtin, 12.4, fixed: pass");
    browser.press(&[Key::End, Key::Up]);
    assert_eq!(focused(), "phase2/acl-not-mirrored, builtin, 15.x, broken: pass");
    browser.press(&[Key::Enter]);
    browser.until(
        "return document.querySelector('#cell h2')?.textContent.startsWith('phase2/acl-not-mirrored/builtin/15.x ')",
    );
    assert_eq!(browser.ask("return document.activeElement.tagName"), "H2", "who reads aloud begins there");

    // The story: marked lines, a message that opens by keyboard, the console beside it.
    let marked =
        browser.ask("return [...document.querySelectorAll('li.marked')].map(line => line.textContent).join('|')");
    assert!(marked.as_str().unwrap().contains("access-list 101 permit ip"), "{marked}");
    assert!(marked.as_str().unwrap().contains("traffic:"), "{marked}");
    let first = "document.querySelector('.message')";
    browser.ask(&format!("{first}.focus()"));
    for (key, open) in [(Key::Enter, true), (Key::Space, false), (Key::Space, true)] {
        browser.press(&[key]);
        assert_eq!(browser.ask(&format!("return {first}.getAttribute('aria-expanded') === 'true'")), open);
    }
    let payloads =
        browser.ask(&format!("return document.getElementById({first}.getAttribute('aria-controls')).innerText"));
    assert!(payloads.as_str().unwrap().contains("transform 1 KEY_IKE"), "{payloads}");
    let console = browser.ask(&format!("return {first}.closest('.row').lastElementChild.textContent"));
    assert!(console.as_str().unwrap().contains("received packet from 192.0.2.10"), "{console}");
    let marks =
        browser.ask("return [...document.querySelectorAll('.said i[title]')].map(mark => mark.textContent).join('')");
    assert!(marks.as_str().unwrap().contains('i'), "lines that were not seen on a real router say so: {marks}");

    // On a telephone nothing lies beside the page, and what disagrees can still be read.
    browser.resize(400);
    assert_eq!(browser.ask("return document.documentElement.scrollWidth <= 400"), true);
    let narrowest = "return Math.min(...[...document.querySelectorAll('.finding dd')].map(line => line.clientWidth))";
    assert!(browser.ask(narrowest).as_u64().unwrap() > 250, "{}", browser.ask(narrowest));
    browser.resize(1500);

    // Back, to where the focus was.
    browser.press(&[Key::Escape]);
    browser.until("return document.getElementById('cell').hidden");
    assert_eq!(focused(), "phase2/acl-not-mirrored, builtin, 15.x, broken: pass");
    browser.press(&[Key::Up]);
    assert_eq!(focused(), "phase1/lost-main-mode-4, builtin, 15.x: pass");
    browser.press(&[Key::Space]);
    browser.until("return document.querySelector('.message.lost') !== null");
    let lost = browser.ask("return document.querySelector('.message.lost').getAttribute('aria-label')");
    assert_eq!(lost, "main-mode-4, cisco to dut, lost on its way");

    // The heads of the columns stay in sight, and no name of a message is cut off on a telephone.
    let wide = "const name = document.querySelector('.message.esp .name'); return name.scrollWidth <= name.clientWidth
         && name.getBoundingClientRect().left >= name.closest('.seq').getBoundingClientRect().left";
    for width in [1500, 390] {
        browser.resize(width);
        assert_eq!(browser.ask(wide), true, "{width}");
    }
    browser.press(&[Key::Escape]);
    browser.until("return document.getElementById('cell').hidden");
    for (width, height) in [(1500, 300), (260, 800)] {
        browser.resize_to(width, height);
        browser
            .until(&format!("return document.querySelector('.scroll').classList.contains('fits') === {}", width > 400));
        let head = browser.ask(
            "const last = [...document.querySelectorAll('button.cell')].at(-1);
             last.scrollIntoView({ block: 'end', behavior: 'instant' });
             const [head, cell] = [document.querySelector('#matrix thead'), last].map(e => e.getBoundingClientRect());
             return head.top >= -1 && head.bottom <= cell.top + 1",
        );
        assert_eq!(head, true, "{width} x {height}");
    }
    browser.resize(1500);
    // An address that somebody has cut leads to the matrix; one of a cell to the cell, and back leads back.
    browser.ask("location.hash = '#cell=%E0%A4'");
    browser.until("return !document.getElementById('overview').hidden");
    browser.ask("location.hash = '#cell=tunnel/plain/builtin/12.4'");
    browser.until("return document.title.includes('tunnel/plain/builtin/12.4')");
    browser.ask("history.back()");
    browser.until("return !document.getElementById('overview').hidden");
    browser.ask("location.hash = '#cell=phase1/lost-main-mode-4/builtin/15.x'");
    browser.until("return document.querySelector('.message.lost') !== null");

    // Every text can be read in light and dark, and paper has no controls.
    for scheme in ["light", "dark"] {
        browser.emulate("", scheme);
        let poor = browser.ask(CONTRAST);
        assert_eq!(poor, json!([]), "{scheme}");
    }
    browser.emulate("print", "light");
    assert_eq!(
        browser.ask("return [...document.querySelectorAll('.tools, .siblings')].some(e => e.checkVisibility())"),
        false
    );
    browser.emulate("", "light");

    assert_eq!(browser.ask("return performance.getEntriesByType('resource').length"), 0, "nothing is fetched");
    assert_eq!(browser.complaints(), json!([]));
}

/// Texts whose contrast with what lies behind them is below 4.5 (WCAG 2.1, 1.4.3).
const CONTRAST: &str = "
  const parts = colour => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = colour => {
    const [r, g, b] = parts(colour).map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!(parts(colour)[3] === 0)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const poor = new Set();
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest('svg, script, [disabled]')) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) poor.add(`${element.tagName}.${element.className} ${contrast.toFixed(1)}`);
  }
  return [...poor];";
