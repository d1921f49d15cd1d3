package verbs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

func doctorCommand() *cobra.Command {
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say in words what is wrong, what it means, and what to do",
		Long: `Look at everything that a hub needs, and say in words what is wrong, what it means, and
what to do: the configuration, the keys, the store, the disk, the brokers, the clock, certificates,
each system and register, and the hub that runs. It changes nothing, also beside a hub that
runs. Systems are called at their addresses, and shown nothing but our certificate.

Exit code 0 when nothing is wrong, 1 when something is. A certificate that ends within 30
or 60 days is told of and is not wrong yet; within 7 days it is.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{dir: dir, now: time.Now}
			d.examine(cmd.Context())
			if err := d.report(cmd.OutOrStdout(), asJSON); err != nil {
				return err
			}
			if d.worst() == wrong {
				return told(exitFailed)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "config", ".", "the folder of the configuration")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, for other programs")
	return cmd
}

// A grade says how bad a finding is.
type grade int

const (
	fine    grade = iota
	soon          // nothing is wrong yet
	wrong         // something does not work, or will not within days
	nothing       // there was nothing to look at
)

var gradeWords = map[grade]string{fine: "ok", soon: "note", wrong: "WRONG", nothing: "-"}

// A finding is one thing that was looked at.
type finding struct {
	About string `json:"about"`
	Grade string `json:"grade"` // ok, note, WRONG, -
	Found string `json:"found"`
	Means string `json:"means,omitempty"`
	Do    string `json:"do,omitempty"`

	grade grade
}

// A doctor looks at one installation.
type doctor struct {
	dir      string
	now      func() time.Time
	settings *config.Settings
	running  bool // a process has the store
	findings []finding
}

func (d *doctor) note(g grade, about, found, means, do string) {
	d.findings = append(d.findings, finding{About: about, Grade: gradeWords[g], Found: found, Means: means, Do: do, grade: g})
}

func (d *doctor) ok(about, found string) { d.note(fine, about, found, "", "") }

func (d *doctor) wrong(about, found, means, do string) { d.note(wrong, about, found, means, do) }

// worst is soon or wrong when anything is.
func (d *doctor) worst() grade {
	worst := fine
	for _, f := range d.findings {
		if f.grade != nothing {
			worst = max(worst, f.grade)
		}
	}
	return worst
}

// patient is how long all of it may take.
const patient = 2 * time.Minute

func (d *doctor) examine(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	systems := d.configuration()
	keys := d.keys()
	d.store(ctx, keys)
	d.brokers()
	d.ownCertificate()
	d.systems(ctx, systems)
	d.hub(ctx)
}

func (d *doctor) report(w io.Writer, asJSON bool) error {
	if asJSON {
		text, err := json.MarshalIndent(d.findings, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", text)
		return err
	}
	widest := 0
	for _, f := range d.findings {
		widest = max(widest, len(f.About))
	}
	for _, f := range d.findings {
		fmt.Fprintf(w, "%-5s  %-*s  %s\n", f.Grade, widest, f.About, f.Found)
		for _, line := range []struct{ head, text string }{{"means", f.Means}, {"do", f.Do}} {
			if line.text != "" {
				fmt.Fprintf(w, "%*s%-6s %s\n", widest+9, "", line.head+":", line.text)
			}
		}
	}
	return nil
}

// — the configuration —

// configuration checks what "knutpunkt check" checks, and what that cannot: the secrets.
func (d *doctor) configuration() []config.System {
	const about = "configuration"
	if _, err := os.Stat(filepath.Join(d.dir, "knutpunkt.yaml")); err != nil {
		d.wrong(about, "there is no knutpunkt.yaml in "+d.dir, "nothing can start", "name its folder with --config")
	}
	problems := map[string]bool{}
	for _, p := range config.Check(os.DirFS(d.dir), connectors.All) {
		problems[p.String()] = true
	}
	var err error
	if d.settings, err = config.ReadSettings(d.dir, (&overrides{}).list()...); err != nil {
		addLines(problems, err)
	}
	systems, err := config.Systems(d.dir, connectors.All)
	if err != nil {
		addLines(problems, err)
	}
	for _, p := range slices.Sorted(maps.Keys(problems)) {
		d.wrong(about, p, "knutpunkt serve does not start on it, and a hub that runs does not take it into use",
			"mend that line, and run knutpunkt check")
	}
	if len(problems) == 0 {
		d.ok(about, "no problems; every secret can be read, and by nobody else")
	}
	return systems
}

func addLines(to map[string]bool, err error) {
	for _, line := range strings.Split(err.Error(), "\n") {
		to[line] = true
	}
}

// — keys and store —

func (d *doctor) keys() *seal.Keys {
	keys, err := seal.Open("file:" + d.settings.Keys)
	if err != nil {
		do := "put the copy of the key file back; only where nothing has ever been stored, run knutpunkt keys init"
		if about, missing := os.Stat(d.settings.Keys); missing == nil && !hub.IsPrivate(about) {
			do = "chmod 600 " + d.settings.Keys
		}
		d.wrong("keys", err.Error(), "knutpunkt serve does not start, and what is stored cannot be read", do)
		return nil
	}
	return keys
}

func (d *doctor) store(ctx context.Context, keys *seal.Keys) {
	const about = "store"
	path := d.settings.Store.SQLite
	switch {
	case d.settings.Store.Postgres != "":
		d.postgres(ctx, keys)
		return
	case path == "": // which has been told of
		return
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		d.noStore(about, path)
		return
	}
	c, err := sqlite.Examine(ctx, path, keys)
	if err != nil {
		d.wrong(about, err.Error(), "it is not known how it is", "see that this user may read "+path)
		return
	}
	d.running = c.Running != 0
	d.integrity(about, path, c)
	d.usable(about, path, keys, c)
	d.disk(c.Disk)
	d.clock(c.Last)
}

// noStore tells one that is lost from one that never was.
func (d *doctor) noStore(about, path string) {
	has := func(end string) bool { _, err := os.Stat(path + end); return err == nil }
	switch {
	case has(".restoring"):
		d.wrong(about, "a restore was stopped half way", "knutpunkt serve does not start", "run knutpunkt restore FILE again")
	case has(".epoch"):
		d.wrong(about, "the database "+path+" is gone", "what was received and not delivered is in a backup only",
			"knutpunkt restore FILE puts a backup in its place; do not start knutpunkt serve before")
	default:
		d.note(nothing, about, "there is none at "+path+" yet: knutpunkt serve makes it", "", "")
	}
}

func (d *doctor) integrity(about, path string, c sqlite.Condition) {
	const instead = "stop the hub, keep the file, put a backup in its place (knutpunkt restore FILE), " +
		"and have the disk and the memory of the machine looked at"
	for _, damage := range c.Damage {
		d.wrong(about, "the database is damaged: "+damage, "what is stored there may be lost, and more with each write", instead)
	}
	if c.Durable != nil {
		d.wrong(about, c.Durable.Error(), "what is answered with 202 could be lost in a power cut", "keep it on a disk of this machine")
	}
	if n := len(c.Missing); n > 0 {
		d.wrong(about, fmt.Sprintf("%s that the database tells of not in %s.files, such as %s", many(n, "file is", "files are"), path, c.Missing[0]),
			"deliveries with those files cannot be made", "put them back from a backup: knutpunkt restore FILE --store sqlite:ELSEWHERE, and copy them from there")
	}
	if c.Mode&0o077 != 0 {
		d.wrong(about, fmt.Sprintf("%s is open to others than its owner (mode %04o)", path, c.Mode), "diarienummer and states can be read by others", "chmod 600 "+path)
	}
}

func (d *doctor) usable(about, path string, keys *seal.Keys, c sqlite.Condition) {
	switch {
	case len(c.Damage) > 0 || c.Durable != nil:
		return
	case c.Version > c.Known:
		d.wrong(about, fmt.Sprintf("it has schema version %d, and this knutpunkt knows %d", c.Version, c.Known), "knutpunkt serve does not start", "run the knutpunkt that wrote it, or a newer one")
		return
	case c.Version < c.Known:
		d.note(soon, about, fmt.Sprintf("it has schema version %d, and this knutpunkt has %d", c.Version, c.Known), "the next knutpunkt serve brings it there, and an older knutpunkt cannot go back", "make a backup with the knutpunkt that wrote it, first")
		return
	}
	if c.Keys != nil {
		d.wrong("keys", c.Keys.Error(), "knutpunkt serve does not start: it would never read what is stored", "put the key file back that was used when it was stored")
	} else if keys != nil {
		d.ok("keys", "mode 0600, and they open what the store holds")
	}
	d.ok(about, fmt.Sprintf("whole, durable, %s, at %s", bytesOf(c.Size), path))
	if c.Moved != "" {
		d.wrong(about, "everything in it has been moved to "+c.Moved, "knutpunkt serve does not start on it", "write store: "+c.Moved+" in knutpunkt.yaml")
	}
	switch r := c.Restore; {
	case c.Copy != "" && (r == nil || r.Done):
		d.note(soon, about, "it is an older copy: "+c.Copy, "when knutpunkt serve starts, all that is not settled is asked about or rests with a person",
			"if it was put here by mistake, put the right one back before the start")
	case r != nil:
		d.restored(about, *r)
	}
}

// restored is told of for a month: there may be something to look up still.
func (d *doctor) restored(about string, r sqlite.RestoreState) {
	switch age := d.now().Sub(r.Since); {
	case !r.Done:
		d.note(soon, about, "it is an older copy, put back: "+r.Why, "when knutpunkt serve starts, all that is not settled is asked about or rests with a person", "start it, and see what is held as unclear")
	case age < 30*24*time.Hour:
		d.note(soon, about, fmt.Sprintf("it is an older copy, put back %s: %s", ago(age), r.Why),
			fmt.Sprintf("%s not settled then; forms that came after the copy was made are not there", many(r.Cases, "case was", "cases were")),
			"see what is held as unclear: knutpunkt deliveries list --reason unclear")
	}
}

// — disk and clock —

func (d *doctor) disk(s sqlite.DiskState) {
	free := fmt.Sprintf("%s of %s are free; forms are taken above %s", bytesOf(s.Free), bytesOf(s.Total), bytesOf(s.Low))
	const room = "make room on the disk, or move the store to a larger one"
	switch {
	case s.Free < s.Low:
		d.wrong("disk", free, "no forms are taken: platforms are answered 507 and come back. What has been received is delivered", room)
	case s.Free < 2*s.Low:
		d.note(soon, "disk", free, "when it is below that, no forms are taken", room)
	default:
		d.ok("disk", free)
	}
	if d.running && !s.Ballast {
		d.note(soon, "disk", "the ballast of 64 MiB has been thrown overboard", "the disk was full; it is taken aboard again, and forms are taken, when there is plenty of room", room)
	}
}

// setBack is how far behind the last thing that happened a clock may stand.
const setBack = time.Minute

func (d *doctor) clock(last time.Time) {
	now := d.now()
	if behind := last.Sub(now); behind > setBack {
		d.wrong("clock", fmt.Sprintf("it stands %s before the last thing that happened here", behind.Round(time.Second)),
			"it is wrong now, or was when that happened; times in documents and in the audit log are not to be trusted",
			"set it by NTP, and start knutpunkt serve again")
		return
	}
	d.ok("clock", "after the last thing that happened here, "+swedish(last))
}
