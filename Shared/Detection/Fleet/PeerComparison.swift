/// Nodes that do the same job in the same region, compared metric by metric: how far each is from where its peers are,
/// beyond how far it usually is.
///
/// Of a metric, once a minute: the peers' median m and their spread s, which is 1.4826 × the median absolute deviation
/// or, where more than half are equal, 1.2533 × the mean one (the modified z-score of Iglewicz and Hoaglin, "How to
/// detect and handle outliers", 1993). Few peers estimate a spread badly, so it is never taken below its own moving mean
/// of an hour, nor below ``spreadShareMin`` of the median. A node's distance z = (x − m) / s, at most ``distanceMax``, is
/// compared with its own moving mean of hours, so that a node that has always been larger is not strange, and one that
/// becomes so is until that is learnt. What the first half hour shows is usual; of a node that joins known peers only up
/// to ``joinedMax``, so that one that is far off from its start is found. The deviation is the difference, over its own root mean square among all peers and
/// a day where that is above 1: metrics with wild values deviate far without being strange.
///
/// Cost: O(nodes) per metric, some 40 ns for each value; memory 4 B per node and metric.
package struct PeerComparison: Sendable {
    /// Nodes with a value of the metric in the minute. Among five, two strange ones do not move the median far.
    package static let peersMin = 5
    /// Minutes that a metric was compared before it is judged.
    package static let minutesMin = 30
    package static let distanceMax: Float = 30
    package static let spreadShareMin: Float = 0.05
    /// Usual distance that a joining node is granted.
    package static let joinedMax: Float = 8
    /// Weights of a minute in the moving means of spreads, of distances and of squared deviations.
    static let spreadWeight: Float = 1 / 60
    static let distanceWeight: Float = 1 / 360
    static let squareWeight: Float = 1 / 1440
    /// Deviations count up to this in means of squares, so that a strange node does not make its metric calm.
    static let countedMax: Float = 10

    package let metricCount: Int
    var spreads: [Float]
    var squares: [Float]
    var minutes: [UInt16]
    /// Usual distances by node.
    var usual: [[Float]] = []
    /// Minutes in which a node had something to compare.
    var ages: [UInt16] = []
    private var buffer: [Float] = []

    /// - Parameter metrics: columns that rows have.
    package init(metrics: Int) {
        metricCount = metrics
        spreads = Array(repeating: 0, count: metrics)
        squares = Array(repeating: 0, count: metrics)
        minutes = Array(repeating: 0, count: metrics)
    }

    package var nodeCount: Int { usual.count }

    /// Further metrics, behind the known ones.
    package mutating func widen(to metrics: Int) {
        guard metrics > metricCount else { return }
        var wider = PeerComparison(metrics: metrics)
        wider.spreads.replaceSubrange(0..<metricCount, with: spreads)
        wider.squares.replaceSubrange(0..<metricCount, with: squares)
        wider.minutes.replaceSubrange(0..<metricCount, with: minutes)
        wider.ages = ages
        wider.usual = usual.map { $0 + Array(repeating: 0, count: metrics - metricCount) }
        self = wider
    }

    /// A further node, numbered from 0.
    package mutating func addNode() {
        usual.append(Array(repeating: 0, count: metricCount))
        ages.append(0)
    }

    /// Gives a node's number to a new one.
    package mutating func resetNode(_ number: Int) {
        guard usual.indices.contains(number) else { return }
        usual[number] = Array(repeating: 0, count: metricCount)
        ages[number] = 0
    }

    /// Compares one minute.
    /// - Parameter rows: by node its values, NaN where it has none; a short row lacks the rest.
    /// - Returns: by node its deviations, NaN where it is not judged.
    package mutating func observe(_ rows: [[Float]]) -> [[Float]] {
        var deviations = rows.map { _ in [Float](repeating: .nan, count: metricCount) }
        for (node, row) in rows.enumerated() where ages.indices.contains(node) && row.contains(where: \.isFinite) {
            ages[node] = min(ages[node], .max - 1) + 1
        }
        for metric in 0..<metricCount {
            buffer.removeAll(keepingCapacity: true)
            for row in rows where metric < row.count && row[metric].isFinite { buffer.append(row[metric]) }
            guard buffer.count >= Self.peersMin, let (median, spread) = Self.spread(&buffer) else { continue }
            minutes[metric] = min(minutes[metric], .max - 1) + 1
            // As a mean over all minutes at first.
            let weight = max(Self.spreadWeight, 1 / Float(minutes[metric]))
            spreads[metric] += weight * (spread - spreads[metric])
            let unit = max(spread, spreads[metric], Self.spreadShareMin * abs(median), .leastNormalMagnitude)
            var (sum, count): (Float, Float) = (0, 0)
            let tail = max(1, squares[metric].squareRoot())
            for (node, row) in rows.enumerated() where metric < row.count && row[metric].isFinite {
                guard usual.indices.contains(node) else { continue }
                let distance = max(-Self.distanceMax, min(Self.distanceMax, (row[metric] - median) / unit))
                let deviation = distance - usual[node][metric]
                learn(deviation, metric, node)
                let counted = min(Self.countedMax, abs(deviation))
                sum += counted * counted
                count += 1
                if min(minutes[metric], ages[node]) > Self.minutesMin { deviations[node][metric] = deviation / tail }
            }
            if count > 0 {
                squares[metric] += max(Self.squareWeight, 1 / Float(minutes[metric])) * (sum / count - squares[metric])
            }
        }
        return deviations
    }

    private mutating func learn(_ deviation: Float, _ metric: Int, _ node: Int) {
        usual[node][metric] += max(Self.distanceWeight, 1 / Float(min(minutes[metric], ages[node]))) * deviation
        guard minutes[metric] > Self.minutesMin, ages[node] <= Self.minutesMin else { return }
        usual[node][metric] = max(-Self.joinedMax, min(Self.joinedMax, usual[node][metric]))
    }

    /// How far a node is from its peers in the metrics of one group: the largest deviation, or, of ``togetherMin`` metrics
    /// and more, ``togetherFactor`` × their root mean square, since many that deviate a little are strange together.
    /// - Returns: nil when no metric was judged.
    package static func strength(of deviations: some Sequence<Float>) -> Float? {
        var (largest, sum, count): (Float, Float, Int) = (0, 0, 0)
        for deviation in deviations where !deviation.isNaN {
            largest = max(largest, abs(deviation))
            let counted = min(countedMax, abs(deviation))
            sum += counted * counted
            count += 1
        }
        guard count > 0 else { return nil }
        return count < togetherMin ? largest : max(largest, togetherFactor * (sum / Float(count)).squareRoot())
    }
    static let togetherMin = 4
    static let togetherFactor: Float = 3.2

    /// Middle and spread; nil when they are beyond what 32 bits hold. Reorders the values.
    private static func spread(_ values: inout [Float]) -> (median: Float, spread: Float)? {
        guard let middle = Robust.median(of: &values) else { return nil }
        var sum: Float = 0
        for index in values.indices {
            values[index] = abs(values[index] - middle)
            sum += values[index]
        }
        let mean = sum / Float(values.count)
        guard let half = Robust.median(of: &values) else { return nil }
        let spread = half > 0 ? half * Robust.normalScale : mean * 1.253_314
        return middle.isFinite && spread.isFinite ? (middle, spread) : nil
    }
}
