package oepsim

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"

	"github.com/knutpunkt/knutpunkt/hub/document"
)

const callbackSpace = "http://www.oeplatform.org/version/1.0/schemas/integration/callback"

// callback is the platform's SOAP service. It takes nothing that its schema does not
// take: the order and the namespace of every element count.
func (s *Sim) callback(w http.ResponseWriter, r *http.Request) {
	body, err := readAll(r)
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "text/xml" {
		http.Error(w, "Unsupported Media Type", http.StatusUnsupportedMediaType)
		return
	}
	if s.fails(FaultText) {
		fault(w, "S:Server", "", "java.lang.NullPointerException")
		return
	}
	if s.envelope.Validate(body) != nil {
		fault(w, "S:Client", "", "Couldn't create SOAP message due to exception: Unmarshalling Error")
		return
	}
	envelope, err := document.ReadXML(bytes.NewReader(body), document.Limits{})
	if err != nil {
		fault(w, "S:Client", "", "Couldn't create SOAP message due to exception: XML reader error")
		return
	}
	answer := s.perform(envelope.Child("Body").Children[0])
	if s.fails(ReplyLost) {
		panic(http.ErrAbortHandler)
	}
	answer(w)
}

// An answer writes what an operation came to.
type answer func(http.ResponseWriter)

// perform does what an operation asks for, and has it on disk.
func (s *Sim) perform(operation *document.Element) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := operation.Value("flowInstanceID")
	if number == "" {
		return faulty("", "Not implemented")
	}
	i := s.find(number)
	if i == nil {
		return faulty("", "The requested flow instance with ID "+number+" was not found")
	}
	switch operation.Local() {
	case "confirmDelivery":
		return s.confirm(i, operation)
	case "addEvent":
		return s.addEvent(i, operation)
	}
	return s.setStatus(i, operation)
}

func (s *Sim) setStatus(i *instance, operation *document.Element) answer {
	statuses := i.form.Kind.flow().Statuses
	at := slices.IndexFunc(statuses, func(st Status) bool {
		return st.Name == operation.Value("statusAlias") || strconv.Itoa(st.ID) == operation.Value("statusID")
	})
	if at < 0 {
		return faulty("StatusNotFoundFault", "The requested status was not found in the flow")
	}
	e := Entry{What: StatusSet, Instance: i.form.Instance, Word: statuses[at].Name, Event: s.events + 1}
	if i.status == e.Word {
		e.What, e.Event = Repeated, 0
	}
	if s.record(e) != nil {
		return faulty("", "Database error")
	}
	return answered("setStatusResponse", fmt.Sprintf("<eventID>%d</eventID>", e.Event))
}

func (s *Sim) confirm(i *instance, operation *document.Element) answer {
	e := Entry{
		What: Confirmed, Instance: i.form.Instance,
		Number: operation.Value("externalID/ID"), System: operation.Value("externalID/System"),
	}
	if i.confirmed {
		e.What = Repeated
	}
	if operation.Value("delivered") == "true" && s.record(e) != nil {
		return faulty("", "Database error")
	}
	return answered("confirmDeliveryResponse", "")
}

// addEvent adds a line, each time anew.
func (s *Sim) addEvent(i *instance, operation *document.Element) answer {
	e := Entry{What: EventAdded, Instance: i.form.Instance, Word: operation.Value("message"), Event: s.events + 1}
	if s.record(e) != nil {
		return faulty("", "Database error")
	}
	return answered("addEventResponse", fmt.Sprintf("<eventID>%d</eventID>", e.Event))
}

func answered(response, content string) answer {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/xml;charset=ISO-8859-1")
		fmt.Fprintf(w, "<?xml version='1.0' encoding='ISO-8859-1'?>"+
			`<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>`+
			`<%s xmlns="%s">%s</%s></S:Body></S:Envelope>`, response, callbackSpace, content, response)
	}
}

func faulty(detail, text string) answer {
	return func(w http.ResponseWriter) { fault(w, "S:Server", detail, text) }
}

// fault answers as recorded platforms do: HTTP 500, and often no detail.
func fault(w http.ResponseWriter, code, detail, text string) {
	w.Header().Set("Content-Type", "text/xml;charset=ISO-8859-1")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, "<?xml version='1.0' encoding='ISO-8859-1'?>"+
		`<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><S:Fault>`+
		`<faultcode>%s</faultcode><faultstring>%s</faultstring>`, code, text)
	if detail != "" {
		fmt.Fprintf(w, `<detail><%s xmlns="%s"/></detail>`, detail, callbackSpace)
	}
	fmt.Fprint(w, `</S:Fault></S:Body></S:Envelope>`)
}

// readAll takes in a request, which is never large.
func readAll(r *http.Request) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r.Body, 1<<20))
}
