package verbs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/knutpunkt/knutpunkt/connectors"
	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/connectors/edlevo/edlevosim"
	"github.com/knutpunkt/knutpunkt/connectors/filedrop/filedropsim"
	"github.com/knutpunkt/knutpunkt/connectors/form/formsim"
	"github.com/knutpunkt/knutpunkt/connectors/kafka/kafkasim"
	"github.com/knutpunkt/knutpunkt/connectors/kir/kirsim"
	"github.com/knutpunkt/knutpunkt/connectors/mail/mailsim"
	"github.com/knutpunkt/knutpunkt/connectors/messaging/messagingsim"
	"github.com/knutpunkt/knutpunkt/connectors/navet/navetsim"
	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/connectors/paxml/paxmlsim"
	"github.com/knutpunkt/knutpunkt/connectors/rest/restsim"
	"github.com/knutpunkt/knutpunkt/connectors/sif/sifsim"
	"github.com/knutpunkt/knutpunkt/connectors/soap/soapsim"
	"github.com/knutpunkt/knutpunkt/connectors/webhook/webhooksim"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/config"
)

// subjects are what it takes to examine each connector, by its name: simulators, and examples
// of what they get.
var subjects = map[string][]func() certify.Subject{
	"edlevo":    {edlevosim.Subject},
	"filedrop":  {filedropsim.Subject, filedropsim.SubjectWithFiles},
	"form":      {formsim.Subject},
	"kafka":     {kafkasim.Subject},
	"kir":       {kirsim.Subject},
	"mail":      {mailsim.Subject},
	"messaging": {messagingsim.Subject},
	"navet":     {navetsim.Subject},
	"oep":       {oepsim.Subject},
	"paxml":     {paxmlsim.Subject},
	"rest":      append(levelled(restsim.Subject), restsim.SubjectAsked),
	"sif":       {sifsim.Subject},
	"soap":      levelled(soapsim.Subject),
	"webhook":   {webhooksim.Subject},
}

// Examine says what it takes to examine a connector that a main elsewhere adds.
func Examine(c hub.Connector, by ...func() certify.Subject) { subjects[c.Name] = by }

// levelled makes the Subjects of a system that can be of any level.
func levelled(subject func(hub.Level) certify.Subject) (each []func() certify.Subject) {
	for _, level := range []hub.Level{hub.Idempotent, hub.Lookup, hub.Blind} {
		each = append(each, func() certify.Subject { return subject(level) })
	}
	return each
}

func certifyCommand() *cobra.Command {
	var write bool
	system := systemTrial{}
	cmd := &cobra.Command{
		Use:   "certify (NAME | --system SYSTEM --mapping MAPPING --case CASE)",
		Short: "Prove how far a connector, or a system that is described in systems.yaml, can be trusted",
		Long: `Prove what follows when an answer is lost: that a system is asked, or recognises what comes
again, and never has two cases for one form. What is not proved is blind: then a person
decides.

With the NAME of a connector it is examined against its simulator, in memory. The system
says no, and not now; it is down; it takes the case and cuts the line; it answers twice,
with a login page, with a fault inside a 200, in another charset than it says, a byte at a
time. Each mistake is told with why it is one. --write keeps the certificate beside the
connector.

With --system it is one system of systems.yaml, whose operations somebody has written: the
vendor's own test system, which the entry must lead to. A document is made by a mapping from
one of its test cases, again and again under new keys, and answers are lost on the way. It
makes cases there, and says which. The certificate lies in certificates/, and holds for as
long as the entry's operations stand as they do.

Exit code 0 when it is proved, 1 when it is not.`,
		Example: `  knutpunkt connectors certify sif
  knutpunkt connectors certify --system karlskrona.arende --mapping arende/nytt --case altan --test-system`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeConnectors,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case (len(args) == 1) == (system.id != ""):
				return usage{errors.New("certify takes the name of a connector, or --system with one of systems.yaml")}
			case len(args) == 1:
				return certifyConnector(cmd.Context(), cmd.OutOrStdout(), args[0], write)
			}
			return system.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&write, "write", false, "keep the certificate in the connector's folder")
	system.register(cmd)
	return cmd
}

// certifyConnector examines a connector against its simulator.
func certifyConnector(ctx context.Context, w io.Writer, name string, write bool) error {
	connector, err := connectorCalled(name)
	if err != nil {
		return err
	}
	certificate, findings, err := prove(ctx, connector)
	if err != nil {
		return err
	}
	if len(findings) > 0 {
		tellFindings(w, name, findings)
		return told(exitFailed)
	}
	fmt.Fprintf(w, "%s stands every case of the kit (version %d), against its simulator.\n", name, certify.Kit)
	if len(certificate.Operations) == 0 {
		fmt.Fprintln(w, "There is no level to certify: it takes no deliveries, or is blind, or what it does is\nwritten in systems.yaml and proved of each system by itself, with --system.")
		return nil
	}
	tellLevels(w, certificate)
	return keep(w, certificate, write)
}

// prove has the kit examine a connector by all of its Subjects.
func prove(ctx context.Context, c hub.Connector) (hub.Certificate, []certify.Finding, error) {
	if len(subjects[c.Name]) == 0 {
		return hub.Certificate{}, nil, fmt.Errorf("there is nothing to examine %s with: it has no Subject (connectors/NAME/NAMEsim/subject.go)", c.Name)
	}
	var each []certify.Subject
	for _, subject := range subjects[c.Name] {
		s := subject()
		s.Connector = c
		s.Decode = func(text string) hub.Decode { return config.Decode(text, os.LookupEnv) }
		each = append(each, s)
	}
	certificate, findings := certify.Certify(ctx, seam.clock(), each...)
	return certificate, findings, nil
}

func connectorCalled(name string) (hub.Connector, error) {
	for _, c := range connectors.All {
		if c.Name == name {
			return c, nil
		}
	}
	return hub.Connector{}, usage{fmt.Errorf("no connector is called %s; there are %s", name, strings.Join(connectorNames(), ", "))}
}

func tellFindings(w io.Writer, what string, findings []certify.Finding) {
	for _, f := range findings {
		fmt.Fprintf(w, "%s, %s:\n  %s\n  why: %s\n", f.Role, f.Case, f.What, f.Why)
	}
	fmt.Fprintf(w, "\n%s: nothing is proved of %s until it is mended.\n", count(len(findings), "mistake", "mistakes"), what)
}

// follows tells what the hub does after a lost answer.
var follows = map[hub.Level]string{
	hub.Idempotent: "the same is sent again, and recognised",
	hub.Lookup:     "the system is asked",
	hub.Blind:      "a person decides",
}

func tellLevels(w io.Writer, c hub.Certificate) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, operation := range slices.Sorted(maps.Keys(c.Operations)) {
		level := c.Operations[operation]
		fmt.Fprintf(table, "  %s\t%s\tafter a lost answer %s\n", operation, level, follows[level])
	}
	table.Flush()
}

// keep writes a connector's certificate, or tells whether the one that lies there says the same.
func keep(w io.Writer, c hub.Certificate, write bool) error {
	folder, found := folderOf(c.Connector)
	if !found {
		if write {
			return fmt.Errorf("there is no folder connectors/%s or %s here to keep the certificate in", c.Connector, c.Connector)
		}
		return nil
	}
	file := filepath.Join(folder, "certificate.json")
	text, err := c.Text()
	if err != nil {
		return err
	}
	there, err := os.ReadFile(file)
	same := err == nil && sameProof(there, c)
	switch {
	case same:
		fmt.Fprintf(w, "%s says the same.\n", filepath.ToSlash(file))
	case write:
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return fmt.Errorf("keep the certificate: %w", err)
		}
		fmt.Fprintf(w, "It is written to %s.\n", filepath.ToSlash(file))
	default:
		fmt.Fprintf(w, "%s does not say so: write it with --write.\n", filepath.ToSlash(file))
	}
	return nil
}

// folderOf finds a connector's folder, in Knutpunkt's own checkout or in one's own.
func folderOf(connector string) (string, bool) {
	for _, folder := range []string{filepath.Join("connectors", connector), connector} {
		if about, err := os.Stat(folder); err == nil && about.IsDir() {
			return folder, true
		}
	}
	return "", false
}

// sameProof reports whether a certificate that is kept says what is proved now, whenever it was.
func sameProof(text []byte, c hub.Certificate) bool {
	there, err := hub.ReadCertificate(text)
	if err != nil {
		return false
	}
	there.At = c.At
	before, err := there.Text()
	now, other := c.Text()
	return err == nil && other == nil && bytes.Equal(before, now)
}
