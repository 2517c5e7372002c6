/// The sort family: it orders the series of instant queries; what a range query returns is ordered by labels anyway.
enum Sorting {
    static func sorted(_ frame: Frame, _ order: SortOrder) -> Frame {
        guard frame.steps == 1 else { return frame }
        var rows = Array(0..<frame.count)
        switch order {
        case .ascending: rows.sort { precedes(frame.values[$0], frame.values[$1], <) }
        case .descending: rows.sort { precedes(frame.values[$0], frame.values[$1], >) }
        case .labels(let names, let isDescending):
            rows.sort { isDescending ? precedes(frame, $1, $0, names) : precedes(frame, $0, $1, names) }
        }
        var result = Frame(steps: 1)
        for row in rows { result.append(frame.labels[row], dropsName: frame.dropsName[row], frame.row(row)) }
        return result
    }

    /// NaN comes last either way.
    private static func precedes(_ one: Double, _ other: Double, _ isBefore: (Double, Double) -> Bool) -> Bool {
        one.isNaN ? false : other.isNaN || isBefore(one, other)
    }

    private static func precedes(_ frame: Frame, _ one: Int, _ other: Int, _ names: [String]) -> Bool {
        for name in names {
            let (left, right) = (frame.labels[one][name] ?? "", frame.labels[other][name] ?? "")
            if left != right { return NaturalOrder.precedes(left, right) }
        }
        return LabelSet.precedes(frame.labels[one], frame.labels[other])
    }
}

/// Runs of digits compare as numbers: `a2` comes before `a10`.
enum NaturalOrder {
    static func precedes(_ left: String, _ right: String) -> Bool {
        let (left, right) = (runs(left), runs(right))
        for (one, other) in zip(left, right) where one != other {
            if let number = Int(one), let second = Int(other) {
                if number == second { continue }
                return number < second
            }
            return Array(one.utf8).lexicographicallyPrecedes(Array(other.utf8))
        }
        return left.count < right.count
    }

    private static func runs(_ text: String) -> [String] {
        var result: [String] = []
        var isDigits = false
        for character in text.unicodeScalars {
            let isDigit = ("0"..."9").contains(character)
            if result.isEmpty || isDigit != isDigits { result.append("") }
            result[result.count - 1].unicodeScalars.append(character)
            isDigits = isDigit
        }
        return result
    }
}
