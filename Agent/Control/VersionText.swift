/// `1.10.2` is above `1.9`; what follows a `-` or `+` does not count.
struct VersionText: Comparable {
    private let numbers: [Int]
    init(_ text: String) {
        numbers = text.prefix { $0 != "-" && $0 != "+" }.prefix(64).split(separator: ".").map { Int($0) ?? 0 }
    }
    static func < (left: Self, right: Self) -> Bool {
        for index in 0..<max(left.numbers.count, right.numbers.count) {
            let (one, other) = (left.part(index), right.part(index))
            if one != other { return one < other }
        }
        return false
    }
    static func == (left: Self, right: Self) -> Bool { !(left < right) && !(right < left) }
    private func part(_ index: Int) -> Int { index < numbers.count ? numbers[index] : 0 }
}
