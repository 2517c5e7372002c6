/// How many days each tier is kept.
package struct RetentionPolicy: Hashable, Sendable {
    package static let daysMax = 36_500
    /// Longer than any time that a sample can have.
    package static let forever = 1_000_000

    package var raw: Int
    package var fiveMinutes: Int
    package var hour: Int

    /// What holds unless told otherwise.
    package static let standard = RetentionPolicy(raw: 400, fiveMinutes: 730, hour: 1825)

    package init(raw: Int, fiveMinutes: Int, hour: Int) {
        self.raw = raw
        self.fiveMinutes = fiveMinutes
        self.hour = hour
    }

    package struct Invalid: Error, CustomStringConvertible {
        package let description: String
    }

    /// `off` keeps everything; a number of days (`90`, `90d`) holds for every tier; `raw=30d,5m=180d,1h=2y` sets each,
    /// those that are not named stay as in `base`. Units: d, w, y (365 d); `off` as a value keeps that tier forever,
    /// `0` makes no rollups of it.
    package init(parsing text: String, over base: RetentionPolicy = .standard) throws(Invalid) {
        self = base
        guard text.contains("=") else {
            let days = try Self.days(text, isRaw: true)
            self.init(raw: days, fiveMinutes: days, hour: days)
            return
        }
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = pair.count == 2 ? String(pair[1]) : ""
            switch pair[0] {
            case "raw": raw = try Self.days(value, isRaw: true)
            case "5m": fiveMinutes = try Self.days(value, isRaw: false)
            case "1h": hour = try Self.days(value, isRaw: false)
            default: throw Invalid(description: "\"\(part)\": name a tier, raw=, 5m= or 1h=")
            }
        }
    }

    /// Of rollups.
    func days(of tier: RollupTier) -> Int { tier == .fiveMinutes ? fiveMinutes : hour }

    private static func days(_ text: String, isRaw: Bool) throws(Invalid) -> Int {
        if text == "off" { return forever }
        let units: [Character: Int] = ["d": 1, "w": 7, "y": 365]
        let unit = text.last.flatMap { units[$0] }
        let digits = unit == nil ? text[...] : text.dropLast()
        guard let number = Int(digits), digits.utf8.allSatisfy({ (48...57).contains($0) }),
            case let (days, isOut) = number.multipliedReportingOverflow(by: unit ?? 1), !isOut,
            (isRaw ? 1 : 0)...daysMax ~= days
        else {
            throw Invalid(description: "\"\(text)\": use 1 to \(daysMax) days like 90, 90d, 12w or 2y, or off")
        }
        return days
    }
}
