package paxml

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/knutpunkt/knutpunkt/connectors/folder"
	"github.com/knutpunkt/knutpunkt/hub"
)

// wordTaken is the one word that a file which was put back says.
const wordTaken = "kvitterad"

// Changes tells of each file that has been put back among the receipts: that the payroll system has
// taken in the one of that name. Whenever anything there is new, all that lies there is told of, since
// a file may be moved in with an older date than one that has been told of; so somebody should clear
// the folder now and then. The cursor is what lay there.
func (p *payroll) Changes(ctx context.Context, since hub.Cursor) ([]hub.Report, hub.Cursor, error) {
	if err := ctx.Err(); err != nil {
		return nil, since, hub.Later(err, 0)
	}
	entries, err := os.ReadDir(p.conf.Receipts)
	if err != nil {
		return nil, since, folder.Unavailable("read the folder of receipts", err)
	}
	var reports []hub.Report
	there := sha256.New()
	for _, e := range entries {
		about, err := e.Info()
		if err != nil || !about.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue // taken away just now, or no file that anybody put there to be read
		}
		fmt.Fprintf(there, "%q", e.Name())
		reports = append(reports, hub.Report{System: p.env.ID, ID: e.Name(), Ref: e.Name(), Word: wordTaken, At: about.ModTime()})
	}
	next := hub.Cursor(hex.EncodeToString(there.Sum(nil)[:8]))
	if next == since {
		return nil, since, nil
	}
	return reports, next, nil
}
