package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A chromium is a browser with one page open.
type chromium struct {
	context.Context
	t testing.TB
}

// openBrowser starts a Chromium, or skips the test where there is none; in CI there must
// be one.
func openBrowser(t testing.TB) *chromium {
	t.Helper()
	options := chromedp.DefaultExecAllocatorOptions[:]
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has no other way as root
	}
	allocated, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	quiet := log.New(io.Discard, "", 0) // this driver knows not every word of every Chromium
	ctx, closeIt := chromedp.NewContext(allocated, chromedp.WithErrorf(quiet.Printf), chromedp.WithLogf(quiet.Printf))
	t.Cleanup(closeIt)
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		missing(t, "no Chromium: %v", err)
	}
	return &chromium{ctx, t}
}

// missing skips a test that lacks what it is run with; in CI nothing may be lacking.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func (b *chromium) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// get is what a script gives on the page.
func get[T any](b *chromium, script string) (v T) {
	b.t.Helper()
	b.run(chromedp.Evaluate(script, &v, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return v
}

// size makes the page as wide as a screen.
func (b *chromium) size(width, height int64) {
	b.t.Helper()
	b.run(chromedp.EmulateViewport(width, height))
}

// dark has the page shown as by night, or as by day again.
func (b *chromium) dark(on bool) {
	b.t.Helper()
	scheme := "light"
	if on {
		scheme = "dark"
	}
	b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

// logIn gives the browser the cookie of somebody who has logged in at a site.
func (b *chromium) logIn(site, header string) {
	b.t.Helper()
	name, value, _ := strings.Cut(strings.TrimPrefix(header, "Cookie: "), "=")
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		return network.SetCookie(name, value).WithURL(site).WithPath("/").WithSecure(true).WithHTTPOnly(true).Do(ctx)
	}))
}

// identify has the browser show a header with each call, as it does when somebody has
// given it a name and a secret; none when the header has no value.
func (b *chromium) identify(header string) {
	b.t.Helper()
	name, value, _ := strings.Cut(header, ": ")
	headers := network.Headers{}
	if value != "" {
		headers[name] = value
	}
	b.run(network.SetExtraHTTPHeaders(headers))
}

func (b *chromium) visit(address string) {
	b.t.Helper()
	b.run(chromedp.Navigate(address), chromedp.WaitReady("body"))
}

// follow clicks on what leads to another page, and waits for that page.
func (b *chromium) follow(selector string) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b, chromedp.Click(selector)); err != nil {
		b.t.Fatal(err)
	}
}

// picture keeps how the whole page looks, where the one who runs the tests wants to see it.
func (b *chromium) picture(name string) {
	b.t.Helper()
	folder := os.Getenv("KNUTPUNKT_PICTURES")
	if folder == "" {
		return
	}
	var png []byte
	b.run(chromedp.FullScreenshot(&png, 100))
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// — axe —

const axeVersion = "4.14.1"

// axe gives the text of axe-core: from the file that KNUTPUNKT_AXE names, or from npm once
// and then from the user's cache.
func axe(t testing.TB) string {
	t.Helper()
	path := os.Getenv("KNUTPUNKT_AXE")
	if path == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			missing(t, "axe-core: %v", err)
		}
		folder := filepath.Join(cache, "knutpunkt", "axe-core-"+axeVersion)
		path = filepath.Join(folder, "package", "axe.min.js")
		if _, err := os.Stat(path); err != nil {
			if err := fetchAxe(t, folder); err != nil {
				missing(t, "axe-core is not here and cannot be fetched: %v", err)
			}
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fetchAxe has npm fetch axe-core, and unpacks it into a folder that appears whole.
func fetchAxe(t testing.TB, folder string) error {
	fresh := t.TempDir()
	pack := exec.CommandContext(t.Context(), "npm", "pack", "--silent", "axe-core@"+axeVersion)
	pack.Dir = fresh
	if out, err := pack.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack: %w: %s", err, out)
	}
	unpack := exec.CommandContext(t.Context(), "tar", "-xzf", "axe-core-"+axeVersion+".tgz")
	unpack.Dir = fresh
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w: %s", err, out)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.CopyFS(folder, os.DirFS(fresh))
}

// A violation is a rule that a page breaks, and where.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML, FailureSummary string
		Target               []any
	}
}

// checkAccess runs axe-core on the page as it is, and wants to hear nothing.
func (b *chromium) checkAccess(axe, what string) {
	b.t.Helper()
	b.run(chromedp.Evaluate(axe, nil))
	text := get[string](b, `axe.run(document, {runOnly: {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}})
		.then((r) => JSON.stringify(r.violations))`)
	var found []violation
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range found {
		for _, n := range v.Nodes {
			b.t.Errorf("%s: %s (%s): %s\n%s\n%s", what, v.ID, v.Impact, v.Help, n.HTML, n.FailureSummary)
		}
	}
	// What is read must not have to be moved sideways (WCAG 1.4.10).
	if wide := get[float64](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
		b.t.Errorf("%s: %v pixels stick out to the right", what, wide)
	}
}
