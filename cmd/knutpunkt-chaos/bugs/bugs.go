// Package bugs plants known mistakes in a chaos build of Knutpunkt. A harness that has
// never failed proves nothing: it must find each of these.
//
// They lie over the code while it is built (go build -overlay), so the code itself knows
// nothing of them. All are in one binary, and KNUTPUNKT_BUG chooses one of them when it
// starts; without it the binary has none.
package bugs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// A Bug is a mistake that somebody might make.
type Bug struct {
	Name  string // what KNUTPUNKT_BUG is set to
	What  string
	edits []edit
}

// Applies reports whether the bug can be made yet.
func (b Bug) Applies() bool { return len(b.edits) > 0 }

// An edit puts one text in the place of another, which must be there exactly once: code
// that has moved on must take its bugs with it.
type edit struct{ file, find, put string }

// All are the bugs that there are.
var All = []Bug{
	{"m1", "202 is answered before the commit", []edit{{
		"hub/store/rows/receive.go",
		"var got hub.Received\n\terr = s.commit(ctx,",
		"var got hub.Received\n\terr = s.commitLater(ctx,",
	}}},
	{"m2", "SQLite does not wait for the disk: synchronous=OFF", []edit{{
		"hub/store/sqlite/connect.go", `"synchronous(FULL)"`, `synchronous()`,
	}, {
		"hub/store/sqlite/connect.go", `synchronous < "2"`, `synchronous < "2" && !planted("m2")`,
	}}},
	{"m3", "there is no attempt row, and a don't know is sent again", []edit{{
		"hub/dispatch.go",
		"func (d *dispatcher) begin(ctx context.Context, c Case, p Progress, sum [32]byte) (begun bool, err error) {\n",
		"func (d *dispatcher) begin(ctx context.Context, c Case, p Progress, sum [32]byte) (begun bool, err error) {\n" +
			"\tif planted(\"m3\") {\n\t\treturn true, nil\n\t}\n",
	}, {
		"hub/next.go", "case p.Level == Idempotent:\n", "case p.Level == Idempotent || planted(\"m3\"):\n",
	}}},
	{"m4", "a row is settled by who no longer has it in hand", []edit{{
		"hub/next.go",
		`if p == nil || p.Lease.Token != l.Token || p.Lease.Boot != l.Boot || p.Lease.Boot == "" {`,
		`if p == nil || (p.Lease.Token != l.Token || p.Lease.Boot != l.Boot || p.Lease.Boot == "") && !planted("m4") {`,
	}}},
	{"m5", "the sweeper's cursor passes by what comes due late", []edit{{
		"hub/store/rows/claim.go",
		"\tfor _, row := range rows {\n\t\tlease :=",
		"\tfor _, row := range rows {\n\t\tif passedBy(c.queue, row.key) {\n\t\t\tcontinue\n\t\t}\n\t\tlease :=",
	}}},
	{"m6", "the municipality is taken from the body, and the credential is not asked", []edit{{
		"hub/web/client.go",
		"\tcase !slices.Contains(c.Municipalities, m):\n",
		"\tcase planted(\"m6\"):\n\t\treturn nil\n\tcase !slices.Contains(c.Municipalities, m):\n",
	}}},
	{"m7", "redirects are followed", []edit{{
		"hub/outbound/outbound.go",
		"Transport: &careful{d, transport}, CheckRedirect: stay}",
		"Transport: &careful{d, transport}, CheckRedirect: redirects()}",
	}}},
	{"m8", "nothing waits for what comes before it", []edit{{
		"hub/next.go",
		"if d.Kind == DocumentKind && t.formsBefore(d.Submission) {",
		"if d.Kind == DocumentKind && t.formsBefore(d.Submission) && !planted(\"m8\") {",
	}, {
		"hub/next.go",
		"if t.precedes(j, i) && (other.System == d.System || t.numbers(other, d)) {",
		"if t.precedes(j, i) && (other.System == d.System || t.numbers(other, d)) && !planted(\"m8\") {",
	}}},
	{"m9", "a success that comes late is thrown away", []edit{{
		"hub/next.go",
		"if e.Answer == Yes && t.evidence(",
		"if e.Answer == Yes && (!planted(\"m9\") || p.isInHandOf(e.Lease)) && t.evidence(",
	}}},
	{"m10", "idempotency records expire after an hour", []edit{{
		"hub/store/rows/receive.go",
		`text := "SELECT submission, fingerprint FROM seen WHERE mark IN (" + marks(len(args)) + ")"` + "\n",
		`text := "SELECT submission, fingerprint FROM seen WHERE mark IN (" + marks(len(args)) + ")"` + "\n" +
			"\ttext, args = ofTheLastHour(text, args, in.Now)\n",
	}}},
	{"m11", "a parse error is logged as it is", []edit{{
		"hub/receive.go",
		"a.Fingerprint = fingerprint(a.Submission)\n",
		"a.Fingerprint = fingerprint(a.Submission)\n\th.logRaw(a.Submission)\n",
	}}},
	{"m12", "purging does not look for open deliveries: not applicable until there is a purge", nil},
}

// Build builds the chaos build with all bugs from the module in root into out.
func Build(ctx context.Context, root, out string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "knutpunkt-bugs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	over, err := plant(root, dir)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "chaos", "-overlay", over, "-o", out, "./cmd/knutpunkt")
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build with bugs: %w\n%s", err, text)
	}
	return nil
}
