# docs/steal-simulation.png from what `steal_sim --plot WITHOUT WITH` wrote.
# gnuplot -e "without='...'; with_stealing='...'; out='...'" plot.gp
set terminal pngcairo size 1200,800 font 'Sans,12' background 'white'
set output out
set multiplot title '16 cores at 45 % load, the worker of core 8 stopped from 1 s to 4 s (simulation, 50 ms steps; a queue holds 512)' font ',14'

set xrange [0:5]
set yrange [-0.5:15.5]
set ytics 0,2,14
set xlabel 'time (s)'
set ylabel 'core'
set palette defined (0 'white', 1 'black')
set tics out nomirror
set border lw 0.8
unset key
set format cb '%g'

set lmargin at screen 0.06; set rmargin at screen 0.43
set bmargin at screen 0.56; set tmargin at screen 0.89
unset colorbox
set cbrange [0:512]
set title 'without stealing: connections in the queue'
plot without using 1:2:3 with image
set lmargin at screen 0.52; set rmargin at screen 0.89
set colorbox user origin screen 0.905,0.56 size screen 0.015,0.33
set cblabel 'connections' offset 1.5,0
set cbtics 128
set title 'with stealing: connections in the queue'
plot with_stealing using 1:2:3 with image

set lmargin at screen 0.06; set rmargin at screen 0.43
set bmargin at screen 0.09; set tmargin at screen 0.42
unset colorbox
set cbrange [0:100]
set title 'without stealing: load of the core'
plot without using 1:2:4 with image
set lmargin at screen 0.52; set rmargin at screen 0.89
set colorbox user origin screen 0.905,0.09 size screen 0.015,0.33
set cblabel 'time that its worker runs (%)' offset 1.5,0
set cbtics 25
set title 'with stealing: load of the core'
plot with_stealing using 1:2:4 with image
unset multiplot
