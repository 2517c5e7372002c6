import Compression
package import Ingest
import RuntimeSupport
import SQLite
import Synchronization
package import Telemetry
import WireFormat

extension TenantStore {
    package struct CompactionResult: Sendable {
        /// Samples written into chunk groups.
        package var samples = 0
        package var events = 0
        /// Whether there was something to do; then there may be more.
        package var didWork = false
        /// More waits than is to wait: what is kept in memory for it nears its bound.
        package var isBehind = false

        package init(samples: Int = 0, events: Int = 0, didWork: Bool = false, isBehind: Bool = false) {
            (self.samples, self.events) = (samples, events)
            (self.didWork, self.isBehind) = (didWork, isBehind)
        }
    }

    /// One bounded piece of background work: level-0 events to `events.sqlite`, else the level-0 blocks of one agent
    /// to chunk groups, else the parts of one closed window into one. Never waits for readers or for commits; holds
    /// up commits for the deletion of the merged rows only (some milliseconds).
    ///
    /// Crash-safe: the receiving file notes the rows it holds in the transaction that stores them.
    /// - Parameter isDraining: also merges what is not old enough yet.
    package func compactStep(
        budgetSamples: Int = StoreLimits.compactionSamplesMax, isDraining: Bool = false
    ) throws -> CompactionResult {
        try throwing {
            try upkeepGate.withLock { _ in try stepHoldingGate(budgetSamples, isDraining: isDraining) }
        }
    }

    private func stepHoldingGate(_ budgetSamples: Int, isDraining: Bool) throws -> CompactionResult {
        let moved = try moveEvents(isDraining: isDraining)
        if moved > 0 {
            let waiting = state.withLock { $0.pendingEvents.records }
            return CompactionResult(events: moved, didWork: true, isBehind: waiting >= Self.eventsWaitingMax)
        }
        if let agent = nextAgent(isDraining: isDraining) {
            let samples = try compact(agent, budgetSamples)
            return CompactionResult(samples: samples, didWork: true, isBehind: isCrowded)
        }
        if try eraseStep() { return CompactionResult(didWork: true) }
        if let window = nextWindow(isDraining: isDraining) {
            return CompactionResult(samples: try mergeParts(window), didWork: true)
        }
        if try rollStep(isDraining: isDraining) { return CompactionResult(didWork: true) }
        return CompactionResult()
    }

    private var isCrowded: Bool { head.size.bodyBytes > configuration.headBodyBytesMax * 3 / 4 }

    /// The agent whose blocks wait longest, among those that are due.
    private func nextAgent(isDraining: Bool) -> AgentNumber? {
        let now = time.now.milliseconds
        let isCrowded = isCrowded
        let due = head.summaries().filter { summary in
            isDraining || isCrowded || summary.blocks > StoreLimits.levelZeroBlocksMax
                || now &- summary.oldestReceivedAt >= configuration.levelZeroMillisecondsMax
        }
        return due.min { $0.oldestReceivedAt < $1.oldestReceivedAt }?.agent
    }

    /// Merges the oldest level-0 blocks of an agent.
    /// - Returns: the samples written.
    func compact(_ agent: AgentNumber, _ budgetSamples: Int) throws -> Int {
        // Before the blocks, as readers do.
        let deleted = deletions.current
        let chosen = head.blocks(of: agent, samplesMax: budgetSamples)
        let merge = BlockMerge(samples: chosen.reduce(0) { $0 + Int($1.records) }, blocks: chosen.count)
        var taken: [Head.Block] = []
        // Openers that run in parallel let blocks change places; by time they need no sorting sample by sample.
        for block in chosen.sorted(by: { ($0.first, $0.id) < ($1.first, $1.id) })
        where try add(block, of: agent, to: merge, without: deleted) { taken.append(block) }
        guard !taken.isEmpty else { return 0 }
        try indexFile.save(index)
        let written = try write(merge, of: agent, moved: taken, applied: deleted.highest)
        try drop(taken, of: agent)
        let refused = merge.refusedCount
        if refused > 0 { metrics.add("stagebox_store_dropped_total", Double(refused), "reason", "series-limit") }
        metrics.add("stagebox_store_compacted_samples_total", Double(written))
        return written
    }

    /// - Returns: false when the block is gone or was set aside.
    private func add(
        _ block: Head.Block, of agent: AgentNumber, to merge: BlockMerge, without deleted: DeletionSet
    ) throws -> Bool {
        let skipped = alreadyMoved(block)
        let isPushed = isPushed(agent)
        let isCut = deleted.touches(block: block.id, isPushed: isPushed, first: block.first, last: block.last)
        if block.decoded == nil, skipped.isEmpty, !isCut {
            return try reading(block, of: agent, repeatingConstants: false) { decoder in
                guard let set = tables.set(agent, decoder.tables.map(\.hash)) else { throw missingTable(block) }
                merge.add(decoder, set, shift: block.shift, order: block.id)
                return true
            } ?? false
        }
        guard let (set, batch) = try decoded(block, of: agent) else { return false }
        var kept = skipped.isEmpty ? batch : batch.dropping(days: skipped, shift: block.shift)
        if isCut {
            kept = kept.removing(shift: block.shift) { number in
                let id = Int(number) < set.ids.count ? set.ids[Int(number)].rawValue : 0
                return deleted.cuts(of: id, block: block.id, isPushed: isPushed)
            }
        }
        merge.add(kept, set, shift: block.shift, order: block.id)
        return true
    }

    /// The days of a block that a day file holds already, after a crash between two of them.
    private func alreadyMoved(_ block: Head.Block) -> Set<Int64> {
        var found = Set<Int64>()
        for day in days.movedDays where days.moved(day).contains(block.id) { found.insert(day) }
        return found
    }

    private func write(
        _ merge: BlockMerge, of agent: AgentNumber, moved: [Head.Block], applied: Int64
    ) throws -> Int {
        let generation = state.withLock { $0.generation }
        let ids = moved.map(\.id).sorted()
        let builders = try build(merge, from: retentionDay)
        var written = 0
        for (day, places) in Dictionary(grouping: builders.keys, by: \.day).sorted(by: { $0.key < $1.key }) {
            var chunks: [DayFile.NewChunk] = []
            for place in places.sorted() {
                chunks += try builders[place]?.finish(agent: agent, window: place.window) ?? []
            }
            written += chunks.reduce(0) { $0 + Int($1.samples) }
            try onDay(day, creating: true) { file in
                try file.write(chunks, replacing: [], moved: ids, generation: generation, applied: applied)
            }
            days.noteMoved(ids, day)
            try faults.pass(.afterDayFile)
            for place in places { windowParts.note(day, agent, place.window, place.slice, at: time.now.milliseconds) }
        }
        return written
    }

    /// Cuts everything merged into windows and slices.
    private func build(_ merge: BlockMerge, from oldestDay: Int64) throws -> [WindowPlace: ChunkBuilder] {
        var builders: [WindowPlace: ChunkBuilder] = [:]
        var split: (instants: Int, parts: [(place: WindowPlace, range: Range<Int>)]) = (-1, [])
        try merge.forEachSeries { id, column, instants in
            if split.instants != instants { split = (instants, WindowPlace.split(column.times)) }
            for part in split.parts where part.place.day >= oldestDay {
                let place = part.place.with(slice: WindowPlace.slice(of: id))
                let builder = try builders[place] ?? ChunkBuilder()
                builders[place] = builder
                try builder.append(id, column, part.range, instants: instants)
            }
        }
        return builders
    }

    /// Takes merged rows out of level 0.
    private func drop(_ blocks: [Head.Block], of agent: AgentNumber) throws {
        let ids = blocks.map(\.id)
        try keepForForwarding(ids)
        try faults.pass(.afterKeeping)
        try ingest.use { database in
            try database.transaction { try IngestFile.delete(ids, in: database) }
        }
        try faults.pass(.afterDeletion)
        head.remove(Set(ids), of: agent)
        try days.forgetMoved(ids)
    }

    /// The block's series and samples; nil, and the block set aside, when it does not decode.
    func decoded(_ block: Head.Block, of agent: AgentNumber) throws -> (TableSet, MetricBatch)? {
        if let kept = block.decoded, let set = tables.set(agent, kept.tables) { return (set, kept.samples) }
        return try reading(block, of: agent) { decoder in
            guard let set = tables.set(agent, decoder.tables.map(\.hash)) else { throw missingTable(block) }
            return (set, decoder.batch())
        }
    }

    /// The samples of a block that was committed; nil when it has none.
    package func samples(of block: IngestCommit.Block) -> MetricBatch? {
        guard case .metrics(let metrics) = block.content else { return nil }
        // It decoded when it was opened; if it does not now, its readers find out.
        return metrics.samples
            ?? (try? CodecPool.shared.use { codec in
                try codec.decoder.decode(try codec.body.decompress(block.body))
                return codec.decoder.batch()
            })
    }

    private func missingTable(_ block: Head.Block) -> StoreError {
        StoreError(.unknownTable, tenant: tenant, "block \(block.id) names a table that is not here")
    }

    /// Decodes a block from its body; nil when it was compacted meanwhile, or does not decode and was set aside.
    private func reading<Result>(
        _ block: Head.Block, of agent: AgentNumber, repeatingConstants: Bool = true,
        _ use: (MetricBlockDecoder) throws -> Result
    ) throws -> Result? {
        guard let body = try block.body ?? ingestReaders.use({ try IngestFile.body(of: block.id, in: $0) }) else {
            return nil
        }
        do {
            return try CodecPool.shared.use { codec in
                try codec.decoder.decode(try codec.body.decompress(body), repeatingConstants: repeatingConstants)
                return try use(codec.decoder)
            }
        } catch let error as SQLiteError {
            throw error
        } catch {
            try setAside(block.id, "\(error)")
            return nil
        }
    }

    // MARK: Windows

    /// Merges the parts of one window and slice into one group.
    /// - Parameter isErasing: also when it is one group only, and without a trace of what is deleted.
    func mergeParts(_ window: WindowParts.Key, isErasing: Bool = false) throws -> Int {
        var written = 0
        let deleted = deletions.current
        try onDay(window.day, creating: false) { file in
            let slice = UInt32(window.slice)
            let rows = try file.rows(of: window.agent).filter {
                $0.window == window.window && $0.low / UInt32(StoreLimits.chunkGroupSeriesMax) == slice
            }
            guard rows.count > 1 || isErasing else { return }
            let marks = deleted.isEmpty ? [:] : try file.marks()
            let merge = BlockMerge(samples: rows.reduce(0) { $0 + Int($1.samples) }, blocks: rows.count)
            let decompressor = try ZstdDecompressor()
            var damaged: [Int64] = []
            for row in rows.sorted(by: { ($0.first, $0.id) < ($1.first, $1.id) }) {
                guard let body = try file.body(of: row.id) else { continue }
                // What of a damaged group was added before the damage stays.
                do {
                    let applied = marks[row.id] ?? 0
                    try merge.add(ChunkGroupReader(body, decompressor: decompressor), order: row.id) { id in
                        deleted.isEmpty ? [] : deleted.cuts(of: id, applied: applied)
                    }
                } catch is WireError {
                    damaged.append(row.id)
                }
            }
            if !damaged.isEmpty {
                report(
                    DayFiles.name(window.day), "\(damaged.count) chunk groups do not decode", "their samples are lost")
            }
            let builder = try ChunkBuilder()
            try merge.forEachSeries { id, column, instants in
                try builder.append(id, column, column.times.indices, instants: instants)
            }
            let chunks = try builder.finish(agent: window.agent, window: window.window)
            try file.write(
                chunks, replacing: rows.map(\.id), moved: [], generation: [], applied: deleted.highest,
                isErasing: isErasing || deleted.all.contains { !$0.isErased })
            written = chunks.reduce(0) { $0 + Int($1.samples) }
        }
        windowParts.merged(window)
        metrics.add("stagebox_store_merged_samples_total", Double(written))
        return written
    }

    private func nextWindow(isDraining: Bool) -> WindowParts.Key? {
        let closedBefore = time.now.milliseconds &- StoreLimits.windowGraceMilliseconds
        return windowParts.due { key, parts in
            let end = WindowPlace(day: key.day, window: key.window, slice: 0).end
            return parts > StoreLimits.partsMax || (parts > 1 && (isDraining || end <= closedBefore))
        }
    }

    // MARK: Days

    /// The oldest day that retention keeps.
    var retentionDay: Int64 {
        CivilDay.day(of: time.now.milliseconds) &- Int64(retention.raw)
    }

    /// Runs `body` on a day's file; a damaged file is set aside and reported, and the error thrown on.
    func onDay(_ day: Int64, creating: Bool, _ body: (DayFile) throws -> Void) throws {
        do {
            if let file = try days.file(day, creating: creating) { try body(file) }
        } catch let error as SQLiteError where error.isDamage {
            try days.quarantine(day, now: time.now)
            report(DayFiles.name(day), error.description, "the samples of that day are lost")
            throw error
        }
    }
}

extension MetricBatch {
    /// Without the samples of some days.
    func dropping(days: Set<Int64>, shift: Int64) -> MetricBatch {
        var kept = MetricBatch()
        for group in groups {
            let indices = group.timestamps.indices.filter {
                !days.contains(CivilDay.day(of: group.timestamps[$0] &+ shift))
            }
            guard !indices.isEmpty else { continue }
            let count = group.timestamps.count
            kept.groups.append(
                Group(
                    timestamps: indices.map { group.timestamps[$0] }, series: group.series,
                    values: group.series.indices.flatMap { series in indices.map { group.values[series * count + $0] } }
                ))
        }
        return kept
    }

    /// Without some samples of some series.
    /// - Parameter cuts: by a series' number in the block, the times that go, after the shift.
    func removing(shift: Int64, _ cuts: (UInt32) -> [ClosedRange<Int64>]) -> MetricBatch {
        var kept = MetricBatch()
        for group in groups {
            let count = group.timestamps.count
            var whole = Group(timestamps: group.timestamps, series: [], values: [])
            for (position, series) in group.series.enumerated() {
                let ranges = cuts(series)
                let indices = group.timestamps.indices.filter { index in
                    !ranges.contains { $0.contains(group.timestamps[index] &+ shift) }
                }
                if indices.count == count {
                    whole.append(group, position, Array(indices))
                } else if !indices.isEmpty {
                    var part = Group(timestamps: indices.map { group.timestamps[$0] }, series: [], values: [])
                    part.append(group, position, indices)
                    kept.groups.append(part)
                }
            }
            if !whole.series.isEmpty { kept.groups.append(whole) }
        }
        return kept
    }
}

extension MetricBatch.Group {
    /// One more series: what another group has of it at those indices.
    fileprivate mutating func append(_ group: Self, _ position: Int, _ indices: [Int]) {
        let count = group.timestamps.count
        series.append(group.series[position])
        for index in indices {
            if group.isAnomalous(position * count + index) {
                while anomalies.count <= values.count / 64 { anomalies.append(0) }
                anomalies[values.count / 64] |= 1 << UInt64(values.count % 64)
            }
            values.append(group.values[position * count + index])
        }
        if !group.startTimestamps.isEmpty { startTimestamps.append(group.startTimestamps[position]) }
    }
}
