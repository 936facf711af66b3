package storage

// Save is Put that waits, not beyond the budget.
func (w *Writer) Save(it Item) error {
	said := make(chan error, 1)
	w.Put(it, func(err error) { said <- err })
	return <-said
}

// Finish is End that waits, not beyond the budget.
func (w *Writer) Finish(tombstone Item, detail []byte) error {
	said := make(chan error, 1)
	w.End(tombstone, detail, func(err error) { said <- err })
	return <-said
}
