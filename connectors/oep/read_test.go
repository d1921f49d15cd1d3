package oep_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/oep"
	"github.com/knutpunkt/knutpunkt/connectors/oep/oepsim"
	"github.com/knutpunkt/knutpunkt/hub"
)

// A wanted file is what a form should be found to have attached.
type wanted struct {
	name, mediaType, question string
	size                      int64
	fetch                     hub.Fetch
	sum                       string // how the SHA-256 of what came along begins
}

// TestReadRealForms reads forms that platforms have really sent, and forms made
// after the contract, and looks at what is odd in each.
func TestReadRealForms(t *testing.T) {
	for _, c := range []struct {
		file, parameter            string
		municipality               hub.Municipality
		service, version, instance string
		submitted                  string
		spots                      map[string]any
		files                      []wanted
	}{
		{
			file: "oep/samples/flowinstance-832-sick-leave.xml", municipality: "1080",
			service: "832", version: "4", instance: "235212", submitted: "2024-12-05T20:41:45Z",
			spots: map[string]any{
				"employeeData/formOfEmployment":  "Tillsvidare                   ",
				"employeeData/citizenIdentifier": "************",
				"employmentType/Value":           "Månadsavlönad",
				"sickNotePercentRow1/Value":      "100%",
				"sickNotePeriodRow2/QueryID":     "66910",
				"$form/Name":                     "Anmälan om sjukfrånvaro",
			},
		},
		{
			file: "oep/samples/flowinstance-121-hr-contact.xml", municipality: "1080",
			service: "121", version: "3", instance: "111111", submitted: "2024-09-11T10:44:14Z",
			spots: map[string]any{"subject/TextAlternative": "Testar", "subject/Name": "Vad gäller ärendet?"},
		},
		{
			file: "oep/samples/flowinstance-161-v3-opinion.xml", municipality: "2281", parameter: "region_municipal_sundsvall",
			service: "161", version: "3", instance: "234567", submitted: "2024-05-22T09:05:29Z",
			spots: map[string]any{
				"document/File/ID":                            "5589",
				"$form/Parameters/municipal_sundsvall":        "81",
				"reportType/Value":                            "Jag vill vara anonym och läsa mitt svar via en länk",
				"title/Rubrik":                                "testsyn",
				"$form/FirstSubmitted":                        "2024-05-22T11:05:29",
				"document/File/Name":                          "Fasad norr.docx",
				"$form/Parameters/region_municipal_sundsvall": "2281",
			},
			files: []wanted{{
				name: "Fasad norr.docx", question: "document", size: 298300,
				mediaType: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
				fetch:     hub.Fetch{Kind: "file", Instance: "234567", Question: "62483", File: "5589"},
			}},
		},
		{
			file: "oep/samples/flowinstance-161-v4-opinion-no-poster.xml", municipality: "2281", parameter: "municipalityId",
			service: "161", version: "4", instance: "4241", submitted: "2024-07-03T09:04:00Z",
			spots: map[string]any{"contact/Firstname": "Kalle", "title/QueryID": "63169"},
		},
		{
			file: "oep/samples/flowinstance-358-v28-invoice-private.xml", municipality: "1080",
			service: "358", version: "28", instance: "185375", submitted: "2023-11-24T14:40:23Z",
			spots: map[string]any{
				"FakturerandeForvaltning/Value":             "40 - Kultur & Fritid",
				"BarakningarExtern1/APrisExtern1":           "700.00",
				"SummeringExtern1/TotSummeringExtern1":      "2100,00 SEK",
				"MotpartPrivatperson/QueryID":               "49320",
				"TotalSummeringIntern/TotalSummeringIntern": "2100,00 SEK",
			},
		},
		{
			file: "handmade/oep-flowinstance-701-preschool-iso-8859-1.xml", municipality: "1080", parameter: "municipalityId",
			service: "701", version: "2", instance: "320115", submitted: "2026-01-15T06:40:00Z",
			spots: map[string]any{
				"skal/Value":               []any{"Arbete", "Studier"},
				"skal/TextAlternative":     "Pendlar ",
				"forskola1/Alternative/ID": "4411",
				"ovrigt/Value":             "Syskon går på Galgamarken – samma avdelning vore bra. Allergi: nötter & ägg.",
				"onskadStart/StartDate":    "2026-08-17",
				"barn/CitizenIdentifier":   "202302142399",
				"kontakt/ContactBySMS":     "true",
				"omfattning/Value":         "Mer än 15 timmar/vecka",
			},
			files: []wanted{
				{name: "schema våren.txt", mediaType: "text/plain", question: "bilagor", size: 51, sum: "179a5c2460"},
				{
					name: "intyg arbetsgivare.pdf", mediaType: "application/pdf", question: "bilagor", size: 48213,
					fetch: hub.Fetch{Kind: "file", Instance: "320115", Question: "8107", File: "90212"},
				},
			},
		},
		{
			file: "handmade/oep-flowinstance-702-altan-xml11.xml", municipality: "1080", parameter: "municipalityId",
			service: "702", version: "5", instance: "320342", submitted: "2026-01-27T15:05:44Z",
			spots: map[string]any{
				"fastighet/PropertyUnitDesignation": "ROSENHOLM 1:7",
				"matt/Hojd_over_mark":               "ca 1,4 m",
				"sokande/SocialSecurityNumber":      "198206822390",
				"faktura/Name":                      "Vem ska betala?",
			},
			files: []wanted{
				{name: "Fasad norr.pdf", mediaType: "application/pdf", question: "ritningar", size: 576, sum: "e46b6f070f"},
				{name: "Situationsplan.pdf", mediaType: "application/pdf", question: "ritningar", size: 582, sum: "fe9003c775"},
			},
		},
	} {
		t.Run(filepath.Base(c.file), func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join(formats(t), c.file))
			if err != nil {
				t.Fatal(err)
			}
			conf := oep.Config{Parameter: c.parameter}
			if c.parameter == "" {
				conf.Municipality = c.municipality
			}
			kept := &blobs{}
			s, err := open(t, conf).Source.Read(t.Context(), hub.Incoming{Body: bytes.NewReader(body)}, kept)
			if err != nil {
				t.Fatal(err)
			}
			submitted, _ := time.Parse(time.RFC3339, c.submitted)
			if s.Service != c.service || s.FormVersion != c.version || s.Municipality != c.municipality ||
				s.Source.System != "karlskrona.oep" || s.Source.ID != c.instance ||
				s.Source.Version != submitted.In(hub.Stockholm).Format("2006-01-02T15:04:05") || !s.Submitted.Equal(submitted) {
				t.Errorf("read %s %s of %s, %s %s at %s", s.Service, s.FormVersion, s.Municipality,
					s.Source.ID, s.Source.Version, s.Submitted)
			}
			for path, want := range c.spots {
				if got := at(t, s.Answers.Reveal(), strings.Split(path, "/")...); !reflect.DeepEqual(got, want) {
					t.Errorf("%s is %q and not %q", path, got, want)
				}
			}
			checkFiles(t, s, c.files, kept)
		})
	}
}

// checkFiles holds the attachments against what is wanted, and the print that comes
// last of them.
func checkFiles(t *testing.T, s hub.Submission, want []wanted, kept *blobs) {
	t.Helper()
	if len(s.Attachments) != len(want)+1 {
		t.Fatalf("there are %d attachments and not %d and the print", len(s.Attachments), len(want))
	}
	for i, w := range want {
		a := s.Attachments[i]
		if a.Name != w.name || a.Type != w.mediaType || a.Question != w.question || a.Size != w.size ||
			a.Fetch != w.fetch || a.Print {
			t.Errorf("file %d is %q, %s, of %s, %d bytes, %+v", i, a.Name, a.Type, a.Question, a.Size, a.Fetch)
		}
		if content := kept.content[a.Blob.ID]; w.sum != "" &&
			(int64(len(content)) != w.size || !strings.HasPrefix(hex.EncodeToString(a.Blob.SHA256[:]), w.sum)) {
			t.Errorf("file %d came as %d bytes, or as others", i, len(content))
		}
	}
	last := s.Attachments[len(want)]
	if !last.Print || last.Type != "application/pdf" ||
		last.Fetch != (hub.Fetch{Kind: "print", Instance: s.Source.ID}) {
		t.Errorf("the last attachment is not the platform's print: %+v", last.Fetch)
	}
}

// TestReadKeepsFilesByteForByte reads the files of a simulated form, whose contents
// are known.
func TestReadKeepsFilesByteForByte(t *testing.T) {
	for _, k := range []oepsim.Kind{oepsim.Preschool, oepsim.Deck} {
		f := oepsim.Fill(k, 2, noon)
		kept := &blobs{}
		s, err := read(t, bytes.NewReader(f.Body), kept)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range s.Attachments {
			if !a.Fetch.IsZero() {
				continue
			}
			encoded := base64.StdEncoding.EncodeToString(kept.content[a.Blob.ID])
			if !bytes.Contains(f.Body, []byte("<EncodedData>"+encoded+"</EncodedData>")) {
				t.Errorf("family %s: the bytes that were kept of a file are not those of the form", k)
			}
		}
		if _, has := at(t, s.Answers.Reveal(), map[oepsim.Kind]string{
			oepsim.Preschool: "bilagor", oepsim.Deck: "ritningar",
		}[k]).(map[string]any)["EncodedData"]; has {
			t.Error("what came of a file is still among the answers")
		}
	}
}

func TestReadEvidenceOfSignatures(t *testing.T) {
	s, err := read(t, bytes.NewReader(oepsim.Fill(oepsim.Preschool, 3, noon).Body), &blobs{})
	if err != nil {
		t.Fatal(err)
	}
	signatures := at(t, s.Answers.Reveal(), "$form", "Signatures").([]any)
	if len(signatures) != 1 || at(t, signatures[0], "Signer", "ID") != "199306302382" {
		t.Error("one signature should be a list of one, with who signed")
	}
}

func TestWithoutAPrint(t *testing.T) {
	no := false
	source := open(t, oep.Config{Print: &no}).Source
	f := oepsim.Fill(oepsim.Preschool, 1, noon)
	s, err := source.Read(t.Context(), hub.Incoming{Body: bytes.NewReader(f.Body)}, &blobs{})
	if err != nil || len(s.Attachments) != 1 || s.Municipality != "1080" {
		t.Errorf("%d attachments, municipality %s, %v", len(s.Attachments), s.Municipality, err)
	}
}

// TestReadTheSameTwice shows what makes two forms the same and what makes one a
// completion of the other.
func TestReadTheSameTwice(t *testing.T) {
	first := oepsim.Fill(oepsim.Deck, 4, noon)
	later := first.Complete(noon.Add(72 * time.Hour))
	var all []hub.Submission
	for _, body := range [][]byte{first.Body, first.Body, later.Body} {
		s, err := read(t, bytes.NewReader(body), &blobs{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if !reflect.DeepEqual(all[0], all[1]) {
		t.Error("the same form was read in two ways")
	}
	if all[0].Source.ID != all[2].Source.ID || all[0].Source.Version >= all[2].Source.Version {
		t.Error("a completion is the same instance with a later version")
	}
}

// whole is a form with nothing odd in it, for tests to break.
const whole = `<FlowInstance xmlns="http://www.oeplatform.org/version/2.0/schemas/flowinstance">
<Header>
<Flow><FamilyID>702</FamilyID><Version>5</Version><FlowID>9102</FlowID><Name>Altan</Name></Flow>
<FlowInstanceID>320342</FlowInstanceID>
<FirstSubmitted>2026-01-20T10:30:00</FirstSubmitted>
<LastSubmitted>2026-01-27T16:05:44</LastSubmitted>
</Header>
<Values>
<sokande><QueryID>1</QueryID><Name>Sökande</Name><SocialSecurityNumber>198206822390</SocialSecurityNumber></sokande>
<ritningar><QueryID>2</QueryID><Name>Ritningar</Name>
<File><ID>9</ID><Name>a.pdf</Name><Size>3</Size><EncodedData>QUJD</EncodedData></File>
</ritningar>
</Values>
<ExtraParameters><Parameters><Parameter><Name>municipalityId</Name><Value>1080</Value></Parameter></Parameters></ExtraParameters>
</FlowInstance>`

// canary is what no error may say.
const canary = "198206822390"

func TestReadRefusesWhatBreaksTheFormat(t *testing.T) {
	change := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(whole) }
	deep := strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200)
	for _, c := range []struct{ name, why, body, kind string }{
		{"nothing", "an empty body is no form", "", "empty"},
		{"page", "a page is no form", "<html><body>" + canary + "</body></html>", oep.NotAForm},
		{"other namespace", "a name alone does not make it a form", change("version/2.0", "version/9.0"), oep.NotAForm},
		{"document type", "nothing is ever fetched or expanded", `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>` + whole, "doctype-not-allowed"},
		{"two roots", "the second would be read by nobody", whole + whole, "trailing"},
		{"cut short", "half a form is none", whole[:len(whole)/2], "truncated"},
		{"too deep", "depth is bounded", change("<Values>", "<Values>"+deep), "too-deep"},
		{"attribute twice", "two readers would see two things", change("<Values>", `<Values a="1" a="2">`), "malformed"},
		{"undeclared prefix", "a name without a namespace", change("<Values>", "<Values><x:y/>"), "malformed"},
		{"comment in a value", "1982<!-- -->0682 is read in two ways", change(canary, "1982<!-- -->06822390"), "malformed"},
		{"mislabelled", "å would become Ã¥", `<?xml version="1.0" encoding="ISO-8859-1"?>` + whole, "encoding"},
		{"UTF-16", "only three charsets are read", "\xff\xfe<\x00", "encoding"},
		{"processing instruction", "nobody is to be instructed", `<?xml-stylesheet href="x"?>` + whole, "malformed"},
		{"no family", "no route could be found", change("<FamilyID>702</FamilyID>", ""), oep.ElementMissing},
		{"no instance", "the case would have no name", change("<FlowInstanceID>320342</FlowInstanceID>", ""), oep.ElementMissing},
		{"no time", "a repeat could not be told from a completion", change("<LastSubmitted>2026-01-27T16:05:44</LastSubmitted>", ""), oep.ElementMissing},
		{"no questions", "the contract has Values even where nothing was answered", change("<Values>", "<Veils>", "</Values>", "</Veils>"), oep.ElementMissing},
		{"instance twice", "two systems would read two cases", change("<FlowInstanceID>", "<FlowInstanceID>1</FlowInstanceID><FlowInstanceID>"), oep.ElementRepeated},
		{"two headers", "the same", change("<Header>", "<Header/><Header>"), oep.ElementRepeated},
		{"instance spelt otherwise", "0320342 would be another case", change("320342", "0320342"), oep.ElementInvalid},
		{"instance no number", "it goes into an address", change("320342", "../"+canary), oep.ElementInvalid},
		{"instance empty", "no number", change("320342", " "), oep.ElementInvalid},
		{"time no time", "no time", change("2026-01-27T16:05:44", canary), oep.ElementInvalid},
		{"no municipality", "nobody's case", change("municipalityId", "other"), oep.MunicipalityMissing},
		{"municipality no code", "nobody's case", change("1080", canary), oep.MunicipalityInvalid},
		{"two municipalities", "whose it is must not depend on the reader", change("<Parameters>", "<Parameters><Parameter><Name>municipalityId</Name><Value>1285</Value></Parameter>"), oep.MunicipalityInvalid},
		{"no base64", "a file that cannot be read", change("QUJD", "Q*JD"), oep.AttachmentEncoding},
		{"base64 cut", "a file that is cut", change("QUJD", "QUJDQ"), oep.AttachmentEncoding},
		{"base64 after its end", "two files in one", change("QUJD", "QQ==QUJD"), oep.AttachmentEncoding},
		{"other size", "not the file that was announced", change("<Size>3</Size>", "<Size>4</Size>"), oep.AttachmentSize},
		{"size no number", "the same", change("<Size>3</Size>", "<Size>"+canary+"x</Size>"), oep.AttachmentSize},
		{"content twice", "which is it", change("</EncodedData>", "</EncodedData><EncodedData>QUJD</EncodedData>"), oep.AttachmentRepetition},
		{"element in content", "only text can be a file", change("QUJD", "QU<b/>JD"), "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := open(t, oep.Config{}).Source.Read(t.Context(), hub.Incoming{Body: strings.NewReader(c.body)}, &blobs{})
			if err == nil {
				t.Fatalf("it was taken, but %s", c.why)
			}
			if kind := malformedAs(t, err); kind != c.kind {
				t.Errorf("it is refused as %s and not as %s: %s", kind, c.kind, c.why)
			}
			if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "passwd") {
				t.Error("the refusal repeats what came")
			}
			if !reflect.DeepEqual(s, hub.Submission{}) {
				t.Error("something is left of what was refused")
			}
		})
	}
}

func TestReadToleratesWhatDoesNoHarm(t *testing.T) {
	change := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(whole) }
	for _, c := range []struct{ name, body string }{
		{"as it is", whole},
		{"byte order mark", "\xef\xbb\xbf" + whole},
		{"older namespace", change("version/2.0", "version/1.2")},
		{"prefixes", strings.NewReplacer("</", "</o:", "<", "<o:", "xmlns=", "xmlns:o=").Replace(whole)},
		{"unknown elements", change("<Values>", "<Unheard>1</Unheard><Values>", "<Flow>", "<Flow><More/>")},
		{"XInclude and schemaLocation", change("<Values>", `<Values xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="http://127.0.0.1:1/"/>`)},
		{"blanks and lines in base64", change("QUJD", " QU\r\n\tJD ")},
		{"content in CDATA", change("QUJD", "<![CDATA[QU]]><![CDATA[JD]]>")},
		{"numbers with line breaks", change("320342<", "320342\n\t<", "2026-01-27T16:05:44<", "2026-01-27T16:05:44\n<")},
		{"time with a zone", change("2026-01-27T16:05:44", "2026-01-27T16:05:44+01:00")},
		{"no version", change("<Version>5</Version>", "")},
		{"a field called File", change("<QueryID>1</QueryID>", "<QueryID>1</QueryID><File>nej</File>")},
		{"control character in XML 1.1", `<?xml version="1.1" encoding="UTF-8"?>` + change("Altan", "Al&#1;tan")},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept := &blobs{}
			s, err := open(t, oep.Config{}).Source.Read(t.Context(), hub.Incoming{Body: strings.NewReader(c.body)}, kept)
			if err != nil {
				t.Fatal(err)
			}
			if s.Source.ID != "320342" || s.Municipality != "1080" || len(s.Attachments) != 2 ||
				!s.Submitted.Equal(time.Date(2026, 1, 27, 15, 5, 44, 0, time.UTC)) {
				t.Errorf("read %s of %s at %s with %d attachments", s.Source.ID, s.Municipality, s.Submitted, len(s.Attachments))
			}
			if string(kept.content[s.Attachments[0].Blob.ID]) != "ABC" {
				t.Error("the file is not what came")
			}
			if at(t, s.Answers.Reveal(), "sokande", "SocialSecurityNumber") != canary {
				t.Error("an answer is not what came")
			}
		})
	}
}

func TestReadEmptyForm(t *testing.T) {
	i, j := strings.Index(whole, "<Values>"), strings.Index(whole, "</Values>")
	s, err := read(t, strings.NewReader(whole[:i]+"<Values>\n"+whole[j:]), &blobs{})
	if err != nil || len(s.Answers.Reveal().(map[string]any)) != 1 {
		t.Errorf("a form in which every question was skipped has no answers but $form: %v", err)
	}
}

// TestReadPassesOnWhatIsNoFault: a file above the limit and a line that breaks are
// not the format's.
func TestReadPassesOnWhatIsNoFault(t *testing.T) {
	var m *hub.Malformed
	_, err := read(t, strings.NewReader(whole), &blobs{limit: 2})
	if !errors.Is(err, hub.ErrTooLarge) || errors.As(err, &m) {
		t.Errorf("a file above the limit gives %v", err)
	}
	broken := errors.New("line broke")
	_, err = read(t, io.MultiReader(strings.NewReader(whole[:len(whole)-400]), failing{broken}), &blobs{})
	if !errors.Is(err, broken) || errors.As(err, &m) {
		t.Errorf("a line that breaks gives %v", err)
	}
	_, err = read(t, io.MultiReader(strings.NewReader(whole[:strings.Index(whole, "QUJD")+2]), failing{broken}), &blobs{})
	if !errors.Is(err, broken) {
		t.Errorf("a line that breaks in a file gives %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestReadStreamsLargeFiles reads a form with 50 MiB in one file in little memory.
func TestReadStreamsLargeFiles(t *testing.T) {
	const size = 50 << 20
	before, after, _ := strings.Cut(whole, "QUJD")
	before = strings.Replace(before, "<Size>3</Size>", fmt.Sprintf("<Size>%d</Size>", size), 1)
	content := base64Of(size)
	kept := &measuring{blobs: blobs{forget: true}}
	s, err := read(t, io.MultiReader(strings.NewReader(before), content, strings.NewReader(after)), kept)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Attachments[0].Blob; got.Size != size || got.SHA256 != kept.want() {
		t.Errorf("the file came as %d bytes, or as others", got.Size)
	}
	if kept.most > 4<<20 {
		t.Errorf("reading it took %d KiB of memory", kept.most>>10)
	}
}

// base64Of gives a file of zeros, encoded with a line break now and then.
func base64Of(size int) io.Reader {
	pieces := make([]io.Reader, 0, size/(3<<10)+1)
	line := strings.Repeat("AAAA", 1<<10) + "\r\n"
	for ; size >= 3<<10; size -= 3 << 10 {
		pieces = append(pieces, strings.NewReader(line))
	}
	pieces = append(pieces, strings.NewReader(base64.StdEncoding.EncodeToString(make([]byte, size))))
	return io.MultiReader(pieces...)
}

// measuring blobs look at the heap now and then while they are filled.
type measuring struct {
	blobs
	first, most uint64
	size        int64
}

func (m *measuring) Put(ctx context.Context, r io.Reader) (hub.Blob, error) {
	runtime.GC()
	m.first = heap()
	b, err := m.blobs.Put(ctx, readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		if m.size += int64(n); m.size>>23 != (m.size-int64(n))>>23 {
			runtime.GC()
			if now := heap(); now > m.first {
				m.most = max(m.most, now-m.first)
			}
		}
		return n, err
	}))
	return b, err
}

func (m *measuring) want() [32]byte {
	sum := sha256.New()
	io.CopyN(sum, zeros{}, m.size)
	return [32]byte(sum.Sum(nil))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// FuzzRead looks for a form that is read in a way it must not be, or not at all.
func FuzzRead(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(strings.Replace(whole, "QUJD", "QUJDQ=", 1)))
	f.Add(oepsim.Fill(oepsim.Preschool, 1, noon).Body)
	f.Add(oepsim.Fill(oepsim.Deck, 4, noon).Body)
	f.Add([]byte(strings.ReplaceAll(whole, "<File>", "<File><File><EncodedData>QQ==</EncodedData></File>")))
	f.Add([]byte(strings.Replace(whole, "<Values>", "<Values><File><EncodedData>QQ==</EncodedData></File></Values><Values>", 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		kept := &blobs{}
		s, err := open(t, oep.Config{}).Source.Read(t.Context(), hub.Incoming{Body: bytes.NewReader(body)}, kept)
		if err != nil {
			malformedAs(t, err)
			return
		}
		if s.Source.ID == "" || s.Source.Version == "" || s.Service == "" || len(s.Municipality) != 4 || s.Submitted.IsZero() {
			t.Error("a form was read that nobody could route")
		}
		for _, a := range s.Attachments {
			if a.Fetch.IsZero() == (a.Blob.ID == "") {
				t.Error("an attachment neither came nor can be fetched, or both")
			}
		}
		if _, err := s.RevealContents(); err != nil {
			t.Errorf("what was read cannot be stored: %v", err)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	body := oepsim.Fill(oepsim.Deck, 1, noon).Body
	source := open(b, oep.Config{}).Source
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := source.Read(b.Context(), hub.Incoming{Body: bytes.NewReader(body)}, &blobs{}); err != nil {
			b.Fatal(err)
		}
	}
}
