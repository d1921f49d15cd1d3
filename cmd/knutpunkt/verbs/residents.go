package verbs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

func residentsCommand() *cobra.Command {
	var dir string
	var who workFlags
	cmd := &cobra.Command{
		Use:   "residents",
		Short: "Show a municipality's own registers of residents, and feed them with files",
		Long: `Show the registers of residents that files feed (systems.yaml: connector: kir), each with as of
when it is right and which file it needs next. It talks to the hub that runs, as one of the
operators in knutpunkt.yaml.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			at, err := who.open(dir)
			if err != nil {
				return err
			}
			all, err := at.registers(cmd.Context())
			if err != nil {
				return err
			}
			printRegisters(cmd.OutOrStdout(), all)
			return nil
		},
	}
	cmd.PersistentFlags().StringVar(&dir, "config", ".", "the folder of the configuration")
	who.register(cmd)
	cmd.AddCommand(importResidents(&dir))
	return cmd
}

// A fedRegister is a register as the workplace is told of it.
type fedRegister struct {
	System            hub.SystemID
	Files, Posts      int
	AsOf, Until       time.Time
	Recent, Importing bool
	Next, Text        string
}

func (d *workplace) registers(ctx context.Context) ([]fedRegister, error) {
	var list struct{ Registers []fedRegister }
	return list.Registers, d.call(ctx, http.MethodGet, "/v1/registers", nil, &list)
}

func printRegisters(w io.Writer, all []fedRegister) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no register is fed with files")
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SYSTEM\tAS OF\tRECENT UNTIL\tFILES\tSTATE")
	for _, r := range all {
		asOf, until := "-", "-"
		if !r.AsOf.IsZero() {
			asOf, until = swedish(r.AsOf), swedish(r.Until)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", r.System, asOf, until, r.Files, r.Text)
	}
	table.Flush()
}

func importResidents(dir *string) *cobra.Command {
	var who workFlags
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "import SYSTEM FILE…",
		Short: "Read Skatteverket's files (Navets avisering) into a register",
		Long: `Read Skatteverket's files into a register: a grunduttag first, with all its files, and then the
changes, every one of them. Files are taken in the order of their own numbers (LopNr, FilNr),
whatever order they are given in; one that has been read already is passed over.

What a file says counts when it, and the files that belong to it, have been read whole; until
then the register says what it said. When the hub stops in the middle, it is waited for, and
the reading goes on where it was; the same is so when the command is given again.`,
		Example: `  knutpunkt residents import --as NAME eslov.kir GRUND001.XML GRUND002.XML ANDRAVI.XML`,
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := inTurn(args[1:])
			if err != nil {
				return err
			}
			at, err := who.open(*dir)
			if err != nil {
				return err
			}
			f := &feeder{workplace: at, system: args[0], patience: patience}
			if err := f.find(cmd.Context()); err != nil {
				return err
			}
			for _, file := range files {
				said, err := f.feed(cmd.Context(), file)
				if err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", file, said)
			}
			return nil
		},
	}
	who.register(cmd)
	cmd.Flags().DurationVar(&patience, "patience", 2*time.Minute, "how long to wait for a hub that stopped in the middle")
	return cmd
}

// inTurn puts files in the order of their own numbers. One that has none comes first: it is a
// grunduttag in no series, or one that the hub will refuse.
func inTurn(paths []string) ([]string, error) {
	type numbered struct {
		path           string
		serial, number int
	}
	var files []numbered
	for _, path := range paths {
		serial, number, err := numbersOf(path)
		if err != nil {
			return nil, err
		}
		files = append(files, numbered{path, serial, number})
	}
	slices.SortStableFunc(files, func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.serial, b.serial), cmp.Compare(a.number, b.number))
	})
	ordered := make([]string, len(files))
	for i, f := range files {
		ordered[i] = f.path
	}
	return ordered, nil
}

// numbersOf reads the LopNr and the FilNr of a file; 0 for what it does not say.
func numbersOf(path string) (serial, number int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, fmt.Errorf("%s cannot be read", path)
	}
	defer f.Close()
	enough := errors.New("enough")
	document.ReadXMLRecords(f, document.Limits{}, document.Records{
		List: []string{"Navetavisering", "Folkbokforingsposter"},
		Head: func(root *document.Element) error {
			out := root.Path("Aviseringsinformation/Filinformation/Utfil")
			serial, _ = strconv.Atoi(out.Value("LopNr"))
			number, _ = strconv.Atoi(out.Value("FilNr"))
			return enough
		},
	})
	return serial, number, nil
}

// A feeder feeds one register.
type feeder struct {
	*workplace
	system   string
	patience time.Duration
}

// find sees that the hub is there, and knows the register.
func (f *feeder) find(ctx context.Context) error {
	all, err := f.registers(ctx)
	if err != nil {
		return err
	}
	for _, r := range all {
		if string(r.System) == f.system {
			return nil
		}
	}
	return fmt.Errorf("%s is no register that files feed; knutpunkt residents lists them", f.system)
}

// feed has one file read, and gives what the hub says of it. It is patient from when the hub was there
// last, as long as that takes the file further each time: a hub that the file stops comes no further.
func (f *feeder) feed(ctx context.Context, path string) (string, error) {
	var until time.Time
	furthest := int64(-1)
	for {
		said, read, err := f.send(ctx, path)
		if !errors.Is(err, errGone) {
			return said, err
		}
		if read > furthest {
			furthest, until = read, time.Now().Add(f.patience)
		}
		if time.Now().After(until) {
			return "", fmt.Errorf("%w and has not come back: start it, and give the command again; it goes on where it was", err)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// errGone says that there was a hub, and is none.
var errGone = errors.New("the hub stopped in the middle")

// send posts a file once, and tells how many bytes of it have been taken. It takes as long as the file
// takes.
func (f *feeder) send(ctx context.Context, path string) (said string, read int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, errors.New("it cannot be read")
	}
	defer file.Close()
	stat, err := file.Stat()
	if err != nil {
		return "", 0, errors.New("it cannot be read")
	}
	watched := &watchedFile{Reader: file, total: stat.Size(), bar: newBar(path)}
	defer watched.bar.end()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+f.address+"/v1/registers/"+f.system+"/files", watched)
	if err != nil {
		return "", 0, usage{fmt.Errorf("%s is no name of a system", f.system)}
	}
	req.ContentLength = stat.Size()
	req.SetBasicAuth(f.name, f.secret)
	req.Header.Set("Content-Type", "application/xml")
	client := *f.http
	client.Timeout = 0
	resp, err := client.Do(req)
	if err != nil {
		return "", watched.done.Load(), cmp.Or(ctx.Err(), errGone)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return "", watched.done.Load(), cmp.Or(ctx.Err(), errGone)
	case resp.StatusCode != http.StatusOK:
		return "", stat.Size(), refusalOf(resp.StatusCode, text)
	}
	var done struct{ Text string }
	if json.Unmarshal(text, &done) != nil {
		return "", stat.Size(), fmt.Errorf("what answers on %s is no hub of this version", f.address)
	}
	return done.Text, stat.Size(), nil
}

// A watchedFile shows how much of it has been read.
type watchedFile struct {
	io.Reader
	done  atomic.Int64 // whoever sends it may go on for a moment after the answer
	total int64
	bar   *bar
}

func (w *watchedFile) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.bar.set(w.done.Add(int64(n)), w.total)
	return n, err
}
