package paxmlsim

import (
	"github.com/knutpunkt/knutpunkt/connectors/certify"
	"github.com/knutpunkt/knutpunkt/connectors/simfolder"
	"github.com/knutpunkt/knutpunkt/hub"
)

// absence is one of the smallest files that a payroll system can use. The person is one of
// Skatteverket's official test numbers.
const absence = `<?xml version="1.0" encoding="UTF-8"?><paxml><header><version>2.0</version></header>` +
	`<tidtransaktioner><tidtrans persnr="` + certify.Number + `"><tidkod>SEM</tidkod><datum>2026-03-09</datum></tidtrans></tidtransaktioner></paxml>`

// Subject is what it takes to examine a connector that hands files to a payroll system.
func Subject() certify.Subject {
	return certify.Subject{
		Config: "folder: '{{DIR}}/in'\ndone: '{{DIR}}/done'\n",
		Folder: func(dir string) certify.Folder { return simfolder.NewInbox(dir) },
		Deliveries: map[string]hub.Delivery{
			"payroll": {Document: hub.NewDocument("application/xml; charset=utf-8", []byte(absence))},
		},
	}
}
