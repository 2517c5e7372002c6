/// What `/proc/<pid>/stat` says of a process (proc(5)).
struct ProcessStatus {
    let command: Bytes
    /// User and system time, 1/100 s.
    let cpuTicks: UInt64
    let threads: UInt64
    /// After boot, 1/100 s: tells a process from an earlier one of the same number.
    let startTicks: UInt64
    let virtualBytes: UInt64
    let residentPages: UInt64

    /// The command stands in parentheses and may itself hold parentheses, blanks and line feeds.
    init?(_ text: Bytes) {
        guard let open = text.firstIndex(of: UInt8(ascii: "(")), let close = text.lastIndex(of: UInt8(ascii: ")")),
            open < close
        else { return nil }
        command = Bytes(rebasing: text[(open + 1)..<close])
        var fields = ByteCursor(text.dropping(close + 1))
        // state, then fields 4 to 13.
        for _ in 3..<14 where fields.word() == nil { return nil }
        guard let user = fields.unsigned(), let system = fields.unsigned() else { return nil }
        cpuTicks = user &+ system
        for _ in 16..<20 where fields.word() == nil { return nil }
        guard let threads = fields.unsigned(), fields.word() != nil, let start = fields.unsigned(),
            let virtual = fields.unsigned(), let resident = fields.signed()
        else { return nil }
        self.threads = threads
        startTicks = start
        virtualBytes = virtual
        residentPages = UInt64(max(0, resident))
    }
}
