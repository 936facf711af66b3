package carriers

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// A country's numbering plan, as far as it takes to make a national number an
// international one and back: the calling code (ITU-T E.164), what is dialled before an
// international and before a national number, and how long a number of a fixed line or a
// mobile is without those.
type plan struct {
	code          string
	international string
	national      string // empty: none is dialled
	least, most   int    // digits
}

// plans lists them by country (ISO 3166-1, and AC, TA, XK). The figures are those of
// libphonenumber's metadata 9.0.32; of several international prefixes, which are those of one
// carrier each, the table has one. A test holds the table to the library's own numbers.
//
// The library itself is not used where calls are made: it takes 9 µs and 37 allocations for
// one number (this table: 0.1 µs and one), of which a call has several, and some 5 MB of the
// binary, for rules on what exists that a border is the wrong place for.
var plans = sync.OnceValue(func() map[string]plan {
	all := make(map[string]plan, 256)
	for _, entry := range strings.Split(strings.TrimSuffix(strings.TrimSpace(planTable), ","), ",") {
		f := strings.Fields(entry)
		p := plan{code: f[1], international: f[2]}
		if f[3] != "-" {
			p.national = f[3]
		}
		least, most, _ := strings.Cut(f[4], "-")
		p.least, _ = strconv.Atoi(least)
		p.most, _ = strconv.Atoi(most)
		all[f[0]] = p
	}
	return all
})

// planOf is a country's plan.
func planOf(country string) (plan, error) {
	p, ok := plans()[country]
	if !ok {
		return p, fmt.Errorf("no numbering plan of %q is known", country)
	}
	return p, nil
}

const planTable = `
AC 247 00 - 5-5, AD 376 00 - 6-9, AE 971 00 0 8-9, AF 93 00 0 9-9, AG 1 011 1 10-10, AI 1 011 1 10-10,
AL 355 00 0 8-9, AM 374 00 0 8-8, AO 244 00 - 9-9, AR 54 00 0 10-11, AS 1 011 1 10-10, AT 43 00 0 4-13,
AU 61 0011 0 9-9, AW 297 00 - 7-7, AX 358 00 0 6-10, AZ 994 00 0 9-9, BA 387 00 0 8-9, BB 1 011 1 10-10,
BD 880 00 0 6-10, BE 32 00 0 8-9, BF 226 00 - 8-8, BG 359 00 0 6-9, BH 973 00 - 8-8, BI 257 00 - 8-8,
BJ 229 00 - 10-10, BL 590 00 0 9-9, BM 1 011 1 10-10, BN 673 00 - 7-7, BO 591 00 0 8-8, BQ 599 00 - 7-7,
BR 55 00 0 10-11, BS 1 011 1 10-10, BT 975 00 - 7-8, BW 267 00 - 7-8, BY 375 810 8 9-9, BZ 501 00 - 7-7,
CA 1 011 1 10-10, CC 61 0011 0 9-9, CD 243 00 0 7-10, CF 236 00 - 8-8, CG 242 00 - 9-9, CH 41 00 0 9-9,
CI 225 00 - 10-10, CK 682 00 - 5-5, CL 56 00 - 9-9, CM 237 00 - 9-9, CN 86 00 0 7-11, CO 57 00 0 8-10,
CR 506 00 - 8-8, CU 53 119 0 6-10, CV 238 0 - 7-7, CW 599 00 - 7-8, CX 61 0011 0 9-9, CY 357 00 - 8-8,
CZ 420 00 - 9-9, DE 49 00 0 5-15, DJ 253 00 - 8-8, DK 45 00 - 8-8, DM 1 011 1 10-10, DO 1 011 1 10-10,
DZ 213 00 0 8-9, EC 593 00 0 8-9, EE 372 00 - 7-8, EG 20 00 0 8-10, EH 212 00 0 9-9, ER 291 00 0 7-7,
ES 34 00 - 9-9, ET 251 00 0 9-9, FI 358 00 0 5-10, FJ 679 00 - 7-7, FK 500 00 - 5-5, FM 691 00 - 7-7,
FO 298 00 - 6-6, FR 33 00 0 9-9, GA 241 00 - 7-8, GB 44 00 0 9-10, GD 1 011 1 10-10, GE 995 00 0 9-9,
GF 594 00 0 9-9, GG 44 00 0 10-10, GH 233 00 0 9-9, GI 350 00 - 8-8, GL 299 00 - 6-6, GM 220 00 - 7-7,
GN 224 00 - 8-9, GP 590 00 0 9-9, GQ 240 00 - 9-9, GR 30 00 - 10-10, GT 502 00 - 8-8, GU 1 011 1 10-10,
GW 245 00 - 9-9, GY 592 001 - 7-7, HK 852 00 - 8-8, HN 504 00 - 8-8, HR 385 00 0 8-9, HT 509 00 - 8-8,
HU 36 00 06 8-9, ID 62 001 0 7-12, IE 353 00 0 7-10, IL 972 00 0 8-12, IM 44 00 0 10-10, IN 91 00 0 10-10,
IO 246 00 - 7-7, IQ 964 00 0 8-10, IR 98 00 0 6-10, IS 354 00 - 7-9, IT 39 00 - 6-12, JE 44 00 0 10-10,
JM 1 011 1 10-10, JO 962 00 0 8-9, JP 81 010 0 9-10, KE 254 000 0 7-9, KG 996 00 0 9-9, KH 855 001 0 8-9,
KI 686 00 0 5-8, KM 269 00 - 7-7, KN 1 011 1 10-10, KP 850 00 0 8-10, KR 82 001 0 5-10, KW 965 00 - 8-8,
KY 1 011 1 10-10, KZ 7 810 8 10-10, LA 856 00 0 8-10, LB 961 00 0 7-8, LC 1 011 1 10-10, LI 423 00 0 7-9,
LK 94 00 0 9-9, LR 231 00 0 7-9, LS 266 00 - 8-8, LT 370 00 0 8-8, LU 352 00 - 4-11, LV 371 00 - 8-8,
LY 218 00 0 9-9, MA 212 00 0 9-9, MC 377 00 0 8-9, MD 373 00 0 8-8, ME 382 00 0 8-8, MF 590 00 0 9-9,
MG 261 00 0 9-9, MH 692 011 1 7-7, MK 389 00 0 8-8, ML 223 00 - 8-8, MM 95 00 0 6-10, MN 976 001 0 8-10,
MO 853 00 - 8-8, MP 1 011 1 10-10, MQ 596 00 0 9-9, MR 222 00 - 8-8, MS 1 011 1 10-10, MT 356 00 - 8-8,
MU 230 020 - 7-8, MV 960 00 - 7-7, MW 265 00 0 7-9, MX 52 00 - 10-10, MY 60 00 0 8-10, MZ 258 00 - 8-9,
NA 264 00 0 8-9, NC 687 00 - 6-6, NE 227 00 - 8-8, NF 672 00 - 6-6, NG 234 009 0 10-10, NI 505 00 - 8-8,
NL 31 00 0 9-11, NO 47 00 - 8-8, NP 977 00 0 8-10, NR 674 00 - 7-7, NU 683 00 - 4-7, NZ 64 00 0 8-10,
OM 968 00 - 8-8, PA 507 00 - 7-8, PE 51 00 0 8-9, PF 689 00 - 8-8, PG 675 00 - 7-8, PH 63 00 0 6-10,
PK 92 00 0 9-10, PL 48 00 - 7-9, PM 508 00 0 6-9, PR 1 011 1 10-10, PS 970 00 0 8-9, PT 351 00 - 9-9,
PW 680 011 - 7-7, PY 595 00 0 7-9, QA 974 00 - 8-8, RE 262 00 0 9-9, RO 40 00 0 6-9, RS 381 00 0 7-12,
RU 7 810 8 10-10, RW 250 00 0 8-9, SA 966 00 0 9-9, SB 677 00 - 5-7, SC 248 00 - 7-7, SD 249 00 0 9-9,
SE 46 00 0 7-9, SG 65 001 - 8-8, SH 290 00 - 4-5, SI 386 00 0 8-8, SJ 47 00 - 8-8, SK 421 00 0 6-9,
SL 232 00 0 8-8, SM 378 00 - 8-10, SN 221 00 - 9-9, SO 252 00 0 6-9, SR 597 00 - 6-7, SS 211 00 0 9-9,
ST 239 00 - 7-7, SV 503 00 - 8-8, SX 1 011 1 10-10, SY 963 00 0 8-9, SZ 268 00 - 8-8, TA 290 00 - 4-4,
TC 1 011 1 10-10, TD 235 00 - 8-8, TG 228 00 - 8-8, TH 66 001 0 8-9, TJ 992 810 - 9-9, TK 690 00 - 4-7,
TL 670 00 - 7-8, TM 993 810 8 8-8, TN 216 00 - 8-8, TO 676 00 - 5-7, TR 90 00 0 10-10, TT 1 011 1 10-10,
TV 688 00 - 5-7, TW 886 002 0 8-9, TZ 255 000 0 9-9, UA 380 00 0 9-9, UG 256 000 0 9-9, US 1 011 1 10-10,
UY 598 00 0 8-8, UZ 998 00 - 9-9, VA 39 00 - 6-11, VC 1 011 1 10-10, VE 58 00 0 10-10, VG 1 011 1 10-10,
VI 1 011 1 10-10, VN 84 00 0 9-10, VU 678 00 - 5-7, WF 681 00 - 6-6, WS 685 0 - 5-10, XK 383 00 0 8-12,
YE 967 00 0 7-9, YT 262 00 0 9-9, ZA 27 00 0 5-9, ZM 260 00 0 9-9, ZW 263 00 0 5-10,
`
