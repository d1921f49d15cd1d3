package soap

import (
	"errors"
	"fmt"
	"strings"

	"github.com/knutpunkt/knutpunkt/connectors/declared"
	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// usual is what Faults mean where nobody has said otherwise: by SOAP 1.1 (4.4.1) and 1.2 (5.4.6), WS-Security
// (12, Error Handling) and WS-Addressing (6). A system that fails may have made the case before it did.
var usual = declared.Meanings{
	"Client": declared.Refused, "Sender": declared.Refused,
	"Server": declared.DontKnow, "Receiver": declared.DontKnow,

	"VersionMismatch": declared.ContractBroken, "MustUnderstand": declared.ContractBroken,
	"DataEncodingUnknown": declared.ContractBroken, "ActionNotSupported": declared.ContractBroken,

	"Client.Authentication": declared.Credentials, "FailedAuthentication": declared.Credentials,
	"FailedCheck": declared.Credentials, "InvalidSecurity": declared.Credentials,
	"InvalidSecurityToken": declared.Credentials, "SecurityTokenUnavailable": declared.Credentials,

	"EndpointUnavailable": declared.Later,
}

// faultNames gives what a Fault is called, the most telling first: the element in its detail, the subcode,
// the code, and what of a code stands before a dot. What it says to people is read by nobody here: such texts
// are translated, change with each version, and quote persons. Without a Fault in the Body there are none.
func faultNames(body *document.Element) (names []string) {
	fault := body.Child("Fault")
	if fault == nil || fault.Space() != body.Space() {
		return nil
	}
	for _, where := range []string{"detail", "Detail"} {
		if detail := fault.Child(where); detail != nil && len(detail.Children) > 0 {
			names = append(names, detail.Children[0].Local())
		}
	}
	var codes []string // the innermost first
	for code := fault.Child("Code"); code != nil; code = code.Child("Subcode") {
		codes = append([]string{code.Value("Value")}, codes...)
	}
	for _, code := range append(codes, fault.Value("faultcode")) {
		local := code[strings.LastIndexByte(code, ':')+1:]
		general, _, _ := strings.Cut(local, ".")
		names = append(names, local, general)
	}
	return names
}

// judge gives the hub's answer that a Fault stands for. Only names that systems.yaml or custom has are told.
func (q *demand) judge(a *declared.Answer, names []string) error {
	for _, name := range names {
		if q.none != "" && name == q.none {
			return fmt.Errorf("%w: Fault %s", hub.ErrNotFound, name)
		}
		if m, known := q.faults[name]; known {
			return a.Means(m, "Fault "+name)
		}
	}
	return errors.New("a Fault of a kind that nobody has said the meaning of")
}

// saysMore reports whether an HTTP status says more than the Fault that came with it: who is not let in, or
// asked to come back, has had nothing done.
func saysMore(status int) bool {
	return status == 401 || status == 403 || status == 429 || status == 503
}
