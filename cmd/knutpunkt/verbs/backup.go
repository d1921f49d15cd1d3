package verbs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
	"github.com/knutpunkt/knutpunkt/hub/seal"
	"github.com/knutpunkt/knutpunkt/hub/store/sqlite"
)

func backupCommand() *cobra.Command {
	var kept keptAt
	var to string
	cmd := &cobra.Command{
		Use:   "backup --to FILE",
		Short: "Make a backup of everything, beside a hub that runs",
		Long: `Make a backup of everything that the hub keeps, beside a hub that runs: the database
as it is at one instant, and every file that belongs to it, sealed, in one new file.

The key file is not in it, and without the key file nobody can read it, you included:
keep a copy of the key file, and keep it apart from the backups. The configuration is
not in it either. "knutpunkt restore --verify FILE" proves a backup, and is best run on
another machine, with that other copy of the key file.

It is for SQLite. A store in PostgreSQL is backed up with PostgreSQL's own tools.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return usage{errors.New("--to FILE says where the backup is to be")}
			}
			return kept.backup(cmd.Context(), cmd.OutOrStdout(), to)
		},
	}
	kept.register(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the new file")
	return cmd
}

// keptAt says where everything is kept, and the keys.
type keptAt struct{ dir, store, keys string }

func (k *keptAt) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&k.dir, "config", ".", "the folder of the configuration")
	f.StringVar(&k.store, "store", "", "where everything is kept, such as sqlite:data/knutpunkt.db or postgres://USER@HOST/DATABASE")
	f.StringVar(&k.keys, "keys", "", "the keys that personal data are sealed with, such as file:keys.json")
}

// open reads where the store is, and the keys.
func (k *keptAt) open() (path string, keys *seal.Keys, err error) {
	s, err := config.ReadSettings(k.dir, (&overrides{store: k.store, keys: k.keys}).list()...)
	if err != nil {
		return "", nil, err
	}
	if s.Store.Postgres != "" {
		return "", nil, errOwnTools
	}
	keys, err = seal.Open("file:" + s.Keys)
	return s.Store.SQLite, keys, err
}

// errOwnTools: what a copy of a PostgreSQL server must hold to be whole, its log and its
// standbys, is the server's to know. The keys are ours still.
var errOwnTools = errors.New("the store is PostgreSQL, which is backed up and restored with its own tools: pg_basebackup with its log " +
	"archived, which loses nothing, or pg_dump for one instant. Keep a copy of the key file, apart from them: nobody can read " +
	"either without it. A hub that is started on another server, or on an older copy, sees that, and asks about what was under way")

// openKeys needs no more than the keys.
func (k *keptAt) openKeys() (path string, keys *seal.Keys, err error) {
	keys, err = seal.Open(k.keys)
	return "", keys, err
}

func (k *keptAt) backup(ctx context.Context, w io.Writer, to string) error {
	path, keys, err := k.open()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("there is no store at %s: there is nothing to back up", path)
	}
	bar := newBar("backing up")
	m, err := sqlite.Backup(ctx, path, keys, to, sqlite.BackupOptions{Clock: time.Now, By: version(), Progress: bar.set})
	bar.end()
	if err != nil {
		return err
	}
	stat, err := os.Stat(to)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Backed up %s and %s, %s, to %s.\n", formsOf(m.Holds), many(len(m.Files), "file", "files"), bytesOf(stat.Size()), to)
	fmt.Fprintf(w, "The keys are not in it. Prove it: knutpunkt restore --verify %s\n", to)
	if n := len(m.Missing); n > 0 {
		return fmt.Errorf("the backup is made, without %s that the database tells of and that are gone, such as %s: "+
			"put them back from an earlier backup", many(n, "file", "files"), m.Missing[0])
	}
	return nil
}

func restoreCommand() *cobra.Command {
	var kept keptAt
	var verify bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Prove a backup, or put it in the place of a store that is lost",
		Long: `Put a backup in the place of a store that is lost. It is verified first: every byte is
decrypted, every form and file is opened with the keys, and everything is counted. It
never writes over a database, nor under a hub that runs.

A backup does not know what was delivered after it was made. The next "knutpunkt serve"
therefore begins by doubting all that was not settled then: systems that can be asked
are asked, and what nobody can tell rests with a person. Forms that came after the backup
was made are not in it: their platforms must send them again.

With --verify nothing is put anywhere: the backup is proved, and what it holds is told.
The database is unpacked meanwhile, in the folder that TMPDIR names. With --keys no
configuration is needed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return kept.restore(cmd.Context(), cmd.OutOrStdout(), args[0], verify)
		},
	}
	kept.register(cmd)
	cmd.Flags().BoolVar(&verify, "verify", false, "prove the backup, and touch nothing")
	return cmd
}

func (k *keptAt) restore(ctx context.Context, w io.Writer, file string, verify bool) error {
	open := k.open
	if verify && k.keys != "" { // a machine that proves backups has no configuration
		open = k.openKeys
	}
	path, keys, err := open()
	if err != nil {
		return err
	}
	bar := newBar("verifying")
	o := sqlite.BackupOptions{Clock: time.Now, By: version(), Progress: bar.set}
	var a sqlite.Account
	if verify {
		a, err = sqlite.Verify(ctx, file, keys, o)
	} else {
		a, err = sqlite.Restore(ctx, file, path, keys, o)
	}
	bar.end()
	if err != nil {
		return err
	}
	tellAccount(w, file, a, time.Now())
	if verify {
		fmt.Fprintf(w, "\nIf it is restored:\n")
	} else {
		fmt.Fprintf(w, "\nIt is in place, at %s. When knutpunkt serve starts:\n", path)
	}
	for _, line := range consequences(a) {
		fmt.Fprintf(w, "  - %s\n", line)
	}
	if a.Moved != "" || verify && len(a.Damaged) > 0 {
		return told(exitFailed)
	}
	return nil
}

// tellAccount says what a backup holds, and what of it is not whole.
func tellAccount(w io.Writer, file string, a sqlite.Account, now time.Time) {
	if len(a.Damaged) == 0 {
		fmt.Fprintf(w, "%s is whole, and this key file opens it.\n", file)
	} else {
		fmt.Fprintf(w, "%s can be used, and this key file opens it; but this was gone or damaged when it was made:\n", file)
		for _, d := range a.Damaged {
			if d.Form == "" {
				fmt.Fprintf(w, "  - %s, which is no form's\n", d.File)
				continue
			}
			fmt.Fprintf(w, "  - %s of form %s, which will be held as corrupt where it is not delivered\n", cmp.Or(d.File, "what was said"), d.Form)
		}
	}
	fmt.Fprintf(w, "It was made %s, %s, by knutpunkt %s.\n", swedish(a.Made), ago(now.Sub(a.Made)), a.By)
	fmt.Fprintf(w, "It holds %s in %s, and %s. Each was opened and compared with its hash.\n",
		formsOf(a.Holds), many(a.Holds.Cases, "case", "cases"), many(len(a.Files), "large file", "large files"))
	if !a.Holds.Newest.IsZero() {
		fmt.Fprintf(w, "The newest form came in %s.\n", swedish(a.Holds.Newest))
	}
}

// consequences says what a restore from a backup means.
func consequences(a sqlite.Account) []string {
	if a.Moved != "" {
		return []string{
			fmt.Sprintf("it does not start on this: everything had been moved to %s before the backup was made, and what has come in since is there alone", a.Moved),
			fmt.Sprintf("write store: %s in knutpunkt.yaml; and if that one is lost, put PostgreSQL's own backup in its place", a.Moved),
		}
	}
	lines := []string{
		fmt.Sprintf("what came in after %s is not there: the platforms must send it again", swedish(a.Made)),
	}
	u := a.Unsettled
	if u.Cases == 0 {
		return append(lines, "nothing was under way when it was made, so there is nothing to find out")
	}
	for _, l := range []struct {
		n               int
		one, more, then string
	}{
		{u.Forms, "form", "forms", "had not been planned: what comes of it is treated like what follows"},
		{u.Ask, "delivery", "deliveries", "may have arrived since: its system is asked before anything is sent again"},
		{u.Again, "delivery", "deliveries", "may have arrived since: sent again, since its system sees that it has it already"},
		{u.Held, "delivery", "deliveries", "for a person: only a look in the system can tell whether it arrived"},
		{u.Rest, "form", "forms", "with a person already, as before"},
	} {
		if l.n > 0 {
			lines = append(lines, many(l.n, l.one, l.more)+" "+l.then)
		}
	}
	return lines
}

// formsOf says how many forms there are, and of which municipalities.
func formsOf(h sqlite.Holding) string {
	var parts []string
	for _, m := range sortedMunicipalities(h.Forms) {
		parts = append(parts, fmt.Sprintf("%s: %d", m, h.Forms[m]))
	}
	if len(parts) == 0 {
		return "no forms"
	}
	return fmt.Sprintf("%s (%s)", many(h.AllForms(), "form", "forms"), strings.Join(parts, ", "))
}

func sortedMunicipalities(forms map[hub.Municipality]int) (ms []hub.Municipality) {
	for m := range forms {
		ms = append(ms, m)
	}
	slices.Sort(ms)
	return ms
}

// many counts in English.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// ago says how old something is, as roughly as people do.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < 2*time.Hour:
		return many(int(d.Minutes()), "minute", "minutes") + " ago"
	case d < 48*time.Hour:
		return many(int(d.Hours()), "hour", "hours") + " ago"
	}
	return many(int(d.Hours()/24), "day", "days") + " ago"
}

func bytesOf(n int64) string {
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}

// A bar shows progress on a terminal, and nothing anywhere else.
type bar struct {
	what  string
	bytes bool
	*progressbar.ProgressBar
}

// newBar shows how many bytes are done; newCounter how many of something else.
func newBar(what string) *bar     { return &bar{what: what, bytes: true} }
func newCounter(what string) *bar { return &bar{what: what} }

func (b *bar) set(done, total int64) {
	if b.ProgressBar == nil && term.IsTerminal(int(os.Stderr.Fd())) {
		b.ProgressBar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(os.Stderr),
			progressbar.OptionShowBytes(b.bytes), progressbar.OptionShowCount(), progressbar.OptionSetDescription(b.what),
			progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	if b.ProgressBar == nil {
		return
	}
	if b.GetMax64() != total {
		b.ChangeMax64(total)
	}
	b.Set64(done)
}

func (b *bar) end() {
	if b.ProgressBar != nil {
		b.Finish()
	}
}
