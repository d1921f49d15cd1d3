package soapsim

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// register takes a case. Who is idempotent refuses another document under a reference that it has.
func (s *Sim) register(q request, f Fault) (*document.Element, error) {
	key := q.body.Value("Referens")
	if earlier := s.byKey[key]; s.Level == hub.Idempotent && key != "" && len(earlier) > 0 {
		if earlier[0].SHA256 != q.sum {
			return answerOf(q, "17"), nil
		}
		return answerOf(q, "0", earlier[0].view()), nil
	}
	e := s.newCase(key, q.sum)
	if f.Way == Twice {
		if err := s.record(e); err != nil {
			return nil, err
		}
		e = s.newCase(key, q.sum)
	}
	if err := s.record(e); err != nil {
		return nil, err
	}
	return answerOf(q, "0", s.byID[e.ID].view()), nil
}

func (s *Sim) newCase(key, sum string) Entry {
	now, n := s.Clock(), len(s.cases)+1
	return Entry{
		Kind: CaseEntry, At: now, ID: fmt.Sprintf("a%d", n), Number: fmt.Sprintf("%s-%d-%05d Å", s.Prefix, now.Year(), n),
		Key: key, SHA256: sum, Visible: now.Add(s.Lag),
	}
}

func (c *aCase) view() *document.Element {
	return tree("Arende", leaf("Arendenummer", c.Number), leaf("ArendeId", c.ID), leaf("Referens", c.Key))
}

// addFile takes a file. Only who is idempotent knows one that it has.
func (s *Sim) addFile(q request) (*document.Element, error) {
	c := s.byID[q.body.Value("ArendeId")]
	e := Entry{
		Kind: FileEntry, At: s.Clock(), N: q.body.Value("Nummer"), Name: q.body.Value("Namn"),
		SHA256: q.file.hash(), Size: q.file.size,
	}
	if c == nil || e.SHA256 != q.body.Value("Sha256") {
		return answerOf(q, "17"), nil
	}
	for _, f := range c.files {
		if s.Level == hub.Idempotent && f.N == e.N {
			if f.SHA256 != e.SHA256 {
				return answerOf(q, "17"), nil
			}
			return answerOf(q, "0", leaf("FilId", f.ID)), nil
		}
	}
	e.Case, e.Key, e.ID = c.ID, c.Key, fmt.Sprintf("%s-f%d", c.ID, len(c.files)+1)
	if err := s.record(e); err != nil {
		return nil, err
	}
	return answerOf(q, "0", leaf("FilId", e.ID)), nil
}

func (s *Sim) canBeAsked() bool { return s.Level == hub.Idempotent || s.Level == hub.Lookup }

// find lists the visible cases of a reference.
func (s *Sim) find(q request) *document.Element {
	if !s.canBeAsked() {
		return answerOf(q, "17")
	}
	found := tree("Arenden")
	for _, c := range s.byKey[q.body.Value("Referens")] {
		if !s.Clock().Before(c.Visible) {
			found.Children = append(found.Children, c.view())
		}
	}
	return answerOf(q, "0", found)
}

// list lists the files of a case.
func (s *Sim) list(q request) *document.Element {
	c := s.byID[q.body.Value("ArendeId")]
	if c == nil || !s.canBeAsked() {
		return answerOf(q, "17")
	}
	files := tree("Filer")
	for _, f := range c.files {
		files.Children = append(files.Children, tree("Fil", leaf("Nummer", f.N), leaf("Sha256", f.SHA256), leaf("FilId", f.ID)))
	}
	return answerOf(q, "0", files)
}

// most is how many words are told at a time.
const most = 100

// tell lists what has happened since a cursor, which is how much has been told.
func (s *Sim) tell(q request) *document.Element {
	told, _ := strconv.Atoi(q.body.Value("Sedan"))
	told = min(told, len(s.news))
	list := tree("Handelser")
	for _, n := range s.news[told:min(told+most, len(s.news))] {
		list.Children = append(list.Children, n.view())
	}
	return answerOf(q, "0", list, leaf("Nasta", strconv.Itoa(told+len(list.Children))))
}

func (e Entry) view() *document.Element {
	return tree("Handelse", leaf("HandelseId", e.ID), leaf("ArendeId", e.Case), leaf("Referens", e.Key),
		leaf("Lage", e.Word), leaf("Tid", e.At.In(hub.Stockholm).Format("2006-01-02T15:04:05.999999999")))
}

// show shows one case.
func (s *Sim) show(q request) *document.Element {
	c := s.byID[q.body.Value("ArendeId")]
	if c == nil {
		return answerOf(q, "44")
	}
	news := tree("Handelser")
	for _, n := range c.news {
		news.Children = append(news.Children, n.view())
	}
	return answerOf(q, "0", c.view(), news)
}

// answerOf makes the answer to a request: how it went, and what there is to say.
func answerOf(q request, code string, more ...*document.Element) *document.Element {
	result := tree(q.operation+"Result", append([]*document.Element{leaf("Kod", code)}, more...)...)
	answer := tree(q.operation+"Response", result)
	answer.Attrs = []document.Attr{{Name: "xmlns", Value: dataSpace}}
	return answer
}

func tree(name string, children ...*document.Element) *document.Element {
	return &document.Element{Name: name, Children: children}
}

func leaf(name, text string) *document.Element { return &document.Element{Name: name, Text: text} }

// faultOf makes a Fault of a code, as the version has it. It quotes a person, as such texts do.
func (s *Sim) faultOf(code, detail string) *document.Element {
	const text = "Alva Exempelsson, 199001012385, kunde inte registreras"
	fault := tree("s:Fault", leaf("faultcode", "s:"+code), leaf("faultstring", text))
	where := "detail"
	if s.SOAP12 {
		twelve := map[string]string{"Client": "Sender", "Server": "Receiver"}
		if other, is := twelve[code]; is {
			fault = tree("s:Fault", tree("s:Code", leaf("s:Value", "s:"+other)), tree("s:Reason", leaf("s:Text", text)))
		} else {
			fault = tree("s:Fault", tree("s:Code", leaf("s:Value", "s:Sender"), tree("s:Subcode", leaf("s:Value", "s:"+code))),
				tree("s:Reason", leaf("s:Text", text)))
		}
		where = "s:Detail"
	}
	if detail != "" {
		named := leaf(detail, text)
		named.Attrs = []document.Attr{{Name: "xmlns", Value: dataSpace}}
		fault.Children = append(fault.Children, tree(where, named))
	}
	return fault
}

// say answers with what stands in a Body.
func (s *Sim) say(w http.ResponseWriter, status int, inside *document.Element) {
	w.Header().Set("Content-Type", s.mediaType())
	w.WriteHeader(status)
	w.Write(s.envelope(inside, document.UTF8))
}

func (s *Sim) mediaType() string {
	if s.SOAP12 {
		return "application/soap+xml; charset=utf-8"
	}
	return "text/xml; charset=utf-8"
}

func (s *Sim) envelope(inside *document.Element, charset document.Charset) []byte {
	envelope := tree("s:Envelope", tree("s:Body", inside))
	envelope.Attrs = []document.Attr{{Name: "xmlns:s", Value: s.space()}}
	text, err := document.WriteXML(envelope, document.Style{Charset: charset})
	if err != nil {
		panic(err) // it is made of names of ours, and of what has been read from XML
	}
	return text
}
