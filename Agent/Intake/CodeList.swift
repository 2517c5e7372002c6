/// A fixed set of short upper-case letter codes, tested by one bit each.
struct CodeList: Sendable {
    private let length: Int
    private let bits: [UInt64]

    /// - Parameter codes: separated by spaces, each of `length` letters A to Z.
    init(length: Int, _ codes: String) {
        self.length = length
        let space = (0..<length).reduce(1) { size, _ in size * 26 }
        var bits = [UInt64](repeating: 0, count: space / 64 + 1)
        for code in codes.split(separator: " ") {
            guard let index = Self.index(code.utf8, length) else { continue }
            bits[index / 64] |= 1 << UInt64(index % 64)
        }
        self.bits = bits
    }

    /// The code in upper case, nil when it is not in the list.
    func normalise(_ text: String) -> String? {
        guard let index = Self.index(text.utf8, length), bits[index / 64] & 1 << UInt64(index % 64) != 0 else {
            return nil
        }
        return text.utf8.contains { $0 & 0x20 != 0 } ? text.uppercased() : text
    }

    private static func index(_ letters: some Sequence<UInt8>, _ length: Int) -> Int? {
        var index = 0
        var count = 0
        for byte in letters {
            let letter = (byte & ~0x20) &- UInt8(ascii: "A")
            guard letter < 26, count < length else { return nil }
            index = index * 26 + Int(letter)
            count += 1
        }
        return count == length ? index : nil
    }

    /// ISO 3166-1 alpha-2 as officially assigned, and XK (Kosovo) and ZZ (unknown) as CLDR uses them.
    static let territories = CodeList(
        length: 2,
        """
        AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
        CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO \
        FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE \
        JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO \
        MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW \
        PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
        TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW ZZ
        """)

    /// ISO 4217 codes of circulating currencies (funds and metals left out; recently replaced ones kept for late
    /// revisions).
    static let currencies = CodeList(
        length: 3,
        """
        AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF \
        CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD \
        HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL \
        LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR \
        PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND \
        TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ZWL
        """)
}
