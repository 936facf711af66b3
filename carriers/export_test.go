package carriers

// Global is a number as it is dialled in a country as one of E.164.
func Global(country, number string) string {
	p, err := planOf(country)
	if err != nil {
		panic(err)
	}
	return p.global(number)
}

// National is a number of E.164 as it is dialled in a country.
func National(country, number string) string {
	p, _ := planOf(country)
	return p.write(formNational, number)
}

// International is the same as it is dialled for another country.
func International(country, number string) string {
	p, _ := planOf(country)
	return p.write(formInternational, number)
}
