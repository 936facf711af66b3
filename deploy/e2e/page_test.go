//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"bulkhead/storage/storagetest"
)

// browse opens a real browser, which ends with the test: do has it act, says reads, and shoot
// takes a picture, for whoever looks at them to be put into $BULKHEAD_PICTURES.
func browse(t *testing.T, dir string) (browser context.Context, do func(what string, actions ...chromedp.Action[chromedp.Void]), says func(chromedp.Action[string]) string, shoot func(name string)) {
	t.Helper()
	allocated, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.ExecPath("chromium"), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1200, 800))...)
	t.Cleanup(cancel)
	browser, cancel = chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	browser, cancel = context.WithTimeout(browser, 3*patience)
	t.Cleanup(cancel)
	do = func(what string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(browser, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	says = func(action chromedp.Action[string]) string {
		t.Helper()
		text, err := chromedp.Run(browser, action)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if pictures := os.Getenv("BULKHEAD_PICTURES"); pictures != "" {
		dir = pictures
	}
	shoot = func(name string) {
		t.Helper()
		picture, err := chromedp.Run(browser, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
			t.Error(err)
		}
	}
	return browser, do, says, shoot
}

// night has the browser prefer dark colours.
func night(t *testing.T, browser context.Context) {
	t.Helper()
	if _, err := chromedp.Call(browser, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	}); err != nil {
		t.Fatal(err)
	}
}

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

	browser, do, says, shoot := browse(t, b.dir)
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
	night(t, browser)
	shoot("night")
	if dark := says(colour); wide != "false" || light == dark {
		t.Errorf("overflows a phone: %s; text is %s by day, %s by night", wide, light, dark)
	}
	b.terminate(20 * time.Second) // a browser that listens does not hold the node up
}

// TestPageOfACluster: a browser at one node sees the call of the other come, with that node;
// shows one node alone, and the ladder that the other one has. The other one is killed: without
// being asked the page says so, and shows its call as the store has it, marked. It has room on
// a phone, by day and by night.
func TestPageOfACluster(t *testing.T) {
	t.Parallel()
	redis, dir := storagetest.StartRedis(t), t.TempDir()
	a, b := beside(t, dir, "a", 263, redis), beside(t, dir, "b", 264, redis)
	browser, do, says, shoot := browse(t, dir)
	at := "http://" + a.ip(90) + ":8080"
	do("a token", chromedp.Navigate(at+"/"), chromedp.SendKeys("input[name=token]", "a-token-of-a-that-is-long-enough"+kb.Enter),
		chromedp.WaitVisible("//nav//a[text()='b']"))
	carrier := b.carrierAt(tc1, "uas.xml", nil)
	call := b.callerTo(number, "uac_hungup.xml", nil)
	do("a call of node b", chromedp.WaitVisible("//main//tbody/tr[td='up' and td='b']//a[starts-with(@href, '/calls/')]"))
	shoot("cluster")
	do("node a alone", chromedp.Click("//nav//a[text()='a']"), chromedp.WaitVisible("//nav//a[text()='a' and @aria-current='page']"))
	if table := says(chromedp.Text("main section:nth-of-type(4) table")); strings.Contains(table, number) {
		t.Errorf("a call of node b is shown as node a's:\n%s", table)
	}
	do("node b alone", chromedp.Click("//nav//a[text()='the whole cluster']"), chromedp.WaitVisible("//nav//a[text()='the whole cluster' and @aria-current='page']"),
		chromedp.Click("//nav//a[text()='b']"), chromedp.WaitVisible("//nav//a[text()='b' and @aria-current='page']"),
		chromedp.WaitVisible("//main//tbody/tr[td='up' and td='b']"))
	do("its ladder", chromedp.Click("main tbody a[href^='/calls/']"), chromedp.WaitVisible("main svg"))
	if text := says(chromedp.Text("main")); !strings.Contains(text, "up, on node b") || !strings.Contains(text, "tc1") {
		t.Errorf("its call: %s", text)
	}
	do("back", chromedp.Navigate(at+"/"), chromedp.WaitVisible("//main//tbody/tr[td='up' and td='b']"))

	b.nodes[0].signal(syscall.SIGKILL)
	<-b.nodes[0].exited
	do("its death", chromedp.WaitVisible("//main//tbody/tr[td='up']//small[starts-with(., 'b dead, as stored')]"), chromedp.WaitVisible("//nav//span[text()='dead']"))
	shoot("cluster-dead")
	overflow := chromedp.Evaluate[string](`String(document.documentElement.scrollWidth > window.innerWidth)`)
	do("a phone", chromedp.EmulateViewport(360, 740, chromedp.EmulateScale(2)))
	shoot("cluster-phone")
	if wide := says(overflow); wide != "false" {
		t.Error("it overflows a phone")
	}
	night(t, browser)
	shoot("cluster-phone-night")
	do("its ladder, as stored", chromedp.Click("main tbody a[href^='/calls/']"), chromedp.WaitVisible("main svg"))
	if text := says(chromedp.Text("main")); !strings.Contains(text, "up, on node b: dead, as stored") || !strings.Contains(text, "tc1") {
		t.Errorf("its call: %s", text)
	}
	shoot("cluster-call-night")
	b.border.process = b.node(t, "b").process // and the call goes on to its end
	a.nodes[0].until("node b to be back", patience, func() bool {
		calls, problems := a.listed(filepath.Join(dir, "a", "bulkhead.yaml"))
		return len(calls) == 1 && calls[0].Owner == "" && problems == ""
	})
	do("its coming back", chromedp.Navigate(at+"/"), chromedp.WaitVisible("//nav//span[text()='serving' and preceding-sibling::a[text()='b']]"))
	if text, err := a.tool("calls", "hangup", filepath.Join(dir, "a", "bulkhead.yaml"), "--all", "--confirm", "1"); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	call.finish(patience)
	carrier.finish(patience)
}
