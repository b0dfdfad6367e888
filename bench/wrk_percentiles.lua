-- For wrk: the latency distribution at the end, at the percentiles of bench/pinned_client. No other
-- hook is set, so that the load is the same as without this file.
function done(summary, latency, requests)
	local points, i = {}, 0

	while 10 ^ (-i / 10) * summary.requests >= 10 do
		local percentile = 100 * (1 - 10 ^ (-i / 10))

		points[#points + 1] = string.format("%.6g:%d", percentile, latency:percentile(percentile))
		i = i + 1
	end
	io.write("latency_series ", table.concat(points, ","), "\n")
end
