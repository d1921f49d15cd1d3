package navet

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A meaning is what a fault says about asking again.
type meaning string

const (
	refused     meaning = "refused"     // the same question will never be answered: a person must look
	later       meaning = "later"       // it passes by itself
	credentials meaning = "credentials" // the certificate or the order is not accepted
)

var meanings = []meaning{refused, later, credentials}

// phrases are the texts of faults that are known, and what they mean. Skatteverket publishes no list;
// these have been seen with the SOAP service or are its REST sibling's.
var phrases = []struct {
	text string
	meaning
}{
	{"Felaktiga inparametrar", refused},
	{"Ej inloggad", credentials},
	{"Åtkomst nekad", credentials},
	{"Tekniskt fel", later},
	{"Too many requests", later},
	{"Timeout", later},
}

// refusal makes an error of a SOAP fault. It repeats the fault's number and what it knows of its
// text, and never the text itself, which may quote the question. A fault that nobody has explained
// is refused, since asking again has not been known to help.
func (r *register) refusal(fault *document.Element) error {
	detail := fault.Path("detail/WebServiceFault")
	text := strings.ToLower(fault.Value("faultstring") + "\n" + detail.Value("Beskrivning"))
	err, means := errors.New("fault without a number"), refused
	code, isNumber := number(detail.Value("Felkod"))
	if isNumber {
		err = fmt.Errorf("fault %s", code)
	}
	for _, p := range phrases {
		if strings.Contains(text, strings.ToLower(p.text)) {
			err, means = fmt.Errorf("%w, %s", err, p.text), p.meaning
			break
		}
	}
	if m, told := r.conf.Faults[code]; told {
		means = meaning(m)
	}
	switch means {
	case later:
		return hub.Later(err, 0)
	case credentials:
		return hub.Unavailable(err, hub.Credentials)
	}
	return hub.Reject(err)
}

// number gives a Felkod as configuration writes it. One longer than any Felkod is none: it may be
// somebody's number.
func number(text string) (code string, ok bool) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 99_999 {
		return "", false
	}
	return strconv.Itoa(n), true
}
