//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestPageInABrowser: a real one is let in by a token, sees a call come without being asked,
// follows it by the keyboard, and has room on a phone, by day and by night.
func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	const network = 228
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("noc viewer a-token-that-is-long-enough\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := (&border{net: network}).ip(90) + ":8080"
	b := open(t, network, plan{more: "api: {listen: \"" + at + "\", socket: api.sock, tokens_file: " + tokens + "}"})

	allocated, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.ExecPath("chromium"), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1200, 800))...)
	defer cancel()
	browser, cancel := chromedp.NewContext(allocated)
	defer cancel()
	browser, cancel = context.WithTimeout(browser, 3*patience)
	defer cancel()
	do := func(what string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(browser, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	says := func(action chromedp.Action[string]) string {
		t.Helper()
		text, err := chromedp.Run(browser, action)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	shoot := func(name string) {
		t.Helper()
		picture, err := chromedp.Run(browser, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		dir := os.Getenv("BULKHEAD_PICTURES") // to be looked at
		if dir == "" {
			dir = b.dir
		}
		if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
			t.Error(err)
		}
	}
	do("a token", chromedp.Navigate("http://"+at+"/"), chromedp.SendKeys("input[name=token]", "a-token-that-is-long-enough"+kb.Enter),
		chromedp.WaitVisible("//h2[text()='Calls']"))
	if title := says(chromedp.Title()); title != "Bulkhead" {
		t.Errorf("title %q", title)
	}

	carrier := b.carrierAt(tc1, "uas.xml", nil)
	call := b.callerTo(number, "uac.xml", nil, "-d", "4000")
	do("a call that comes", chromedp.WaitVisible("main a[href^='/calls/']"))
	if row := says(chromedp.Text("main tbody tr:has(a[href^='/calls/'])")); !strings.Contains(row, number) {
		t.Errorf("the call is shown as %q", row)
	}
	shoot("board")
	focused := false
	for range 20 {
		do("Tab", chromedp.KeyEvent(kb.Tab))
		if focused = says(chromedp.Evaluate[string](`String(document.activeElement.matches("main a[href^='/calls/']"))`)) == "true"; focused {
			break
		}
	}
	if !focused {
		t.Fatal("no Tab leads to the call")
	}
	do("Enter", chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("main svg"))
	if why := says(chromedp.Text("main ul")); !strings.Contains(why, "tc1") {
		t.Errorf("why: %q", why)
	}
	do("the end, as it comes", chromedp.WaitVisible("//li[contains(text(), 'hung up')]"))
	shoot("call")
	call.finish(patience)
	carrier.finish(patience)

	overflow := chromedp.Evaluate[string](`String(document.documentElement.scrollWidth > window.innerWidth)`)
	colour := chromedp.Evaluate[string](`getComputedStyle(document.body).color`)
	do("a phone", chromedp.EmulateViewport(360, 740, chromedp.EmulateScale(2)), chromedp.Navigate("http://"+at+"/"), chromedp.WaitVisible("//h2[text()='Calls']"))
	shoot("phone")
	wide, light := says(overflow), says(colour)
	if _, err := chromedp.Call(browser, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	}); err != nil {
		t.Fatal(err)
	}
	shoot("night")
	if dark := says(colour); wide != "false" || light == dark {
		t.Errorf("overflows a phone: %s; text is %s by day, %s by night", wide, light, dark)
	}
	b.terminate(20 * time.Second) // a browser that listens does not hold the node up
}
